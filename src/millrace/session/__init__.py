"""Sessions: from nested fetches and feeds to a planned run, and back into the caller's structure."""
