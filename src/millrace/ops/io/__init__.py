"""Files, readers, queues, records and summaries."""
