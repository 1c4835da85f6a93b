//! Mempool: transactions that were accepted and are not in a block yet.
