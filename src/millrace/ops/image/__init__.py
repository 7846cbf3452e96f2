"""Image files, colours, boxes and resizing."""
