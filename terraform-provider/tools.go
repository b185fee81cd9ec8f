//go:build tools

// Package tools keeps the libraries that the provider is built on in go.mod before it imports them.
package tools

import (
	_ "github.com/hashicorp/terraform-plugin-framework/providerserver"
)
