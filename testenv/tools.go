//go:build tools

// Package tools keeps the libraries that the test environment is built on in go.mod before it imports them.
package tools

import (
	_ "github.com/ory/dockertest/v3"
)
