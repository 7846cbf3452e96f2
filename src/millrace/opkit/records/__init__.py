"""Records and messages: TFRecord, Example, summaries."""
