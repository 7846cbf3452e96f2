"""Image files and how resizing samples."""
