package ticket

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// LocalLifetime is how long a token of LocalToken is good.
const LocalLifetime = 5 * time.Minute

// LocalToken mints a login token for an administrator of this machine: whoever can
// read the node's signing key could sign anything anyway, so no password is
// asked. The token says so (Claims.Local), counts as superadmin and is short-lived.
func LocalToken(localDir, user string, now time.Time) (string, error) {
	key, err := LoadKey(filepath.Join(localDir, KeyFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w; run this on a node whose SERVICES include user and whose fastxd has been started", err)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%w; run this as root or as the daemon's user", err)
	case err != nil:
		return "", err
	}
	return key.Sign(Claims{
		Kind: Login, Subject: user, ID: NewID(), Local: true,
		IssuedAt: now.Unix(), Expires: now.Add(LocalLifetime).Unix(),
	})
}
