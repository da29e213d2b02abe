"""The list of proofs: who checked the record, and with what result."""
