"""The log and the stages that read and write it."""
