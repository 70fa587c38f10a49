module pintle.dev/cluster/pause

go 1.21
