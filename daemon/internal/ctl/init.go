package ctl

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"
)

const (
	// bcryptCost makes one login cost some 50 ms: dear enough for a guesser,
	// cheap enough for a try-out machine.
	bcryptCost = 10
	// bcryptLimit is the longest password bcrypt takes, in bytes.
	bcryptLimit = 72
	// passwordLength is how long a generated password is; 5 bits a character make 100.
	passwordLength = 20
)

// created is what init says, and its JSON form.
type created struct {
	Dir      string   `json:"dir"`
	User     string   `json:"user"`
	Password string   `json:"password,omitempty"` // only when init made it up
	Files    []string `json:"files"`
}

func (a *app) initCmd() *cobra.Command {
	var fromStdin bool
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a configuration to try things out",
		Long: `init writes a working configuration for one machine into DIR, which is made if need
be and must hold no files yet. It has a few applications and one user, listed as
admin in permissions.ini. The user's name is your own login name unless --user
gives another; the password is generated and printed once, or read from standard
input. The login is for the web page and the API; no Unix account is needed or made.`,
		Example: `  fastxctl init run/config
  fastxctl init --user ada run/config
  fastxctl init run/config --password-stdin < password.txt`,
		Args: oneArg("which directory to write the configuration into"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.init(args[0], fromStdin)
		},
	}
	a.jsonFlag(c)
	c.Flags().StringVar(&a.user, "user", "", "the try-out user's `name` (default: your login name)")
	c.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from the first line of standard input")
	return c
}

func (a *app) init(dir string, fromStdin bool) error {
	user, err := a.starterUser()
	if err != nil {
		return err
	}
	if err := refuseUsed(dir); err != nil {
		return err
	}
	password, err := a.starterPassword(fromStdin)
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcryptCost)
	if err != nil {
		return fmt.Errorf("hash the password: %w", err)
	}
	set := render.Starter(render.StarterOptions{User: user, PasswordHash: string(hash)})
	if err := writeNew(dir, set); err != nil {
		return err
	}
	if fromStdin {
		password = "" // its owner knows it
	}
	return a.printCreated(created{Dir: dir, User: user, Password: password, Files: set.Names()})
}

func (a *app) printCreated(c created) error {
	if a.json {
		return a.printJSON(c)
	}
	fmt.Fprintf(a.Stdout, "user: %s\n", c.User)
	if c.Password != "" {
		fmt.Fprintf(a.Stdout, "password: %s\n", c.Password)
	}
	_, err := fmt.Fprintf(a.Stderr, "wrote %d files to %s; start fastxd with FX_CONFIG_DIR=%s\n", len(c.Files), c.Dir, c.Dir)
	return err
}

func (a *app) starterUser() (string, error) {
	user := a.user
	if user == "" {
		var err error
		if user, err = a.Login(); err != nil {
			return "", usage("your login name is not known (%w); give one with --user", err)
		}
	}
	if err := spec.CheckUserName(user); err != nil {
		return "", usage("%w", err)
	}
	return user, nil
}

func (a *app) starterPassword(fromStdin bool) (string, error) {
	if !fromStdin {
		return strings.ToLower(rand.Text()[:passwordLength]), nil
	}
	line, err := bufio.NewReader(io.LimitReader(a.Stdin, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	switch password := strings.TrimRight(line, "\r\n"); {
	case password == "":
		return "", usage("standard input holds no password in its first line")
	case len(password) > bcryptLimit:
		return "", usage("the password is %d bytes long; bcrypt takes at most %d", len(password), bcryptLimit)
	default:
		return password, nil
	}
}

// refuseUsed keeps init away from a directory that holds anything of anyone's.
func refuseUsed(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usage("%w; choose a directory that can be made, or is there and empty", err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), ".") {
			return usage("%s already holds %s; choose an empty directory, or look at this one with fastxctl check %s", dir, e.Name(), dir)
		}
	}
	return nil
}

// writeNew writes the set into dir, which holds no files yet; when that fails, none stay.
func writeNew(dir string, set fileset.Set) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	err := set.Write(dir)
	if err == nil {
		return nil
	}
	for _, f := range set.Names() {
		top, _, _ := strings.Cut(f, "/")
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, top)))
	}
	return fmt.Errorf("write the configuration: %w", err)
}
