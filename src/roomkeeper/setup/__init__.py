"""From nothing to a configuration that works: asked for in a terminal or on pages, tried live, and written."""
