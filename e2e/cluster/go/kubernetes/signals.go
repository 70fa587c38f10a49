package main

import (
	"context"

	genericapiserver "k8s.io/apiserver/pkg/server"
)

// contextOfSignals ends with SIGTERM or SIGINT, as the kubelet's own main does.
func contextOfSignals() context.Context { return genericapiserver.SetupSignalContext() }
