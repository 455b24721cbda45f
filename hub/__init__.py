"""What a park is: the hub folder and its checks, connections, the tree, limits, quarters and local days. Pure but for reading the folder."""
