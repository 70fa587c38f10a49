package main

import (
	"context"

	genericapiserver "k8s.io/apiserver/pkg/server"
)

// contextOfSignals ends with SIGTERM or SIGINT. It may be asked for once in a process.
func contextOfSignals() context.Context { return genericapiserver.SetupSignalContext() }
