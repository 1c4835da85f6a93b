"""Topics that sources write."""

from trex.engine.pipeline.log import Topic

RAW = Topic("raw", partitions=4)
"""Blocks as they were told, by source."""
CURSORS = Topic("cursors", compacted=True)
"""How far each source was read, written with what was read."""
