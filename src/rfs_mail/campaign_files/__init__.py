"""Campaign files: YAML and templates on disk -> values with their places, and the mistakes in them."""
