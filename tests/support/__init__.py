"""What tests share: a desk, its cards and purchases, servers and programs to try it with."""
