// Package manpages writes a command's man pages out of what its --help says.
package manpages

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Command returns the hidden command man, by which the packages get the pages of the program that it is added to. Pages
// are the same for the same version and date, which is that of the sources.
func Command(program, section, version string) *cobra.Command {
	var date string
	c := &cobra.Command{
		Use: "man DIR", Short: "Write the man pages into a directory", Hidden: true,
		Long: fmt.Sprintf(`man writes %[1]s.%[2]s, and a page for each command below %[1]s, into a directory,
which it makes where it is missing. They say what --help says.`, program, section),
		Example: fmt.Sprintf("  %s man --date 2026-11-25 build/man%s", program, section),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("say one directory; see %s --help", c.CommandPath())
			}
			at, err := time.Parse(time.DateOnly, date)
			if err != nil {
				return fmt.Errorf("--date: %q is no date; write it as 2006-01-02", date)
			}
			return write(c.Root(), args[0], &doc.GenManHeader{Section: section, Source: c.Root().Name() + " " + version, Manual: "FastX cluster", Date: &at})
		},
	}
	c.Flags().StringVar(&date, "date", "1970-01-01", "the `day` that the pages bear")
	return c
}

func write(root *cobra.Command, dir string, header *doc.GenManHeader) error {
	root.DisableAutoGenTag = true
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return doc.GenManTree(root, header, dir)
}
