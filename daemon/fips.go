package daemon

import (
	"crypto/fips140"
	"log/slog"
)

// sayFIPS tells the log what GODEBUG=fips140=on or =only has brought about.
func sayFIPS(log *slog.Logger) {
	if fips140.Enabled() {
		log.Info("the cryptography is that of the Go Cryptographic Module, FIPS 140-3", "module", fips140.Version(), "nothing else is allowed", fips140.Enforced())
	}
}
