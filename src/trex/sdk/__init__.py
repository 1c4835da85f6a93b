"""The Python SDK: what a program of others does with personas, by public RPC and HTTP only."""
