"""Sessions that initialize, restore, recover and stop by themselves."""
