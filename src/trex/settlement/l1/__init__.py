"""L1 as this node sees it: endpoints that may lie or fail, blocks checked by hash, blobs by commitment."""
