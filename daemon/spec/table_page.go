package spec

const (
	themeFile         = "theme.ini"
	headersFile       = "headers.ini"
	motdFile          = "motd.html"
	announcementsFile = "announcements.html"
	errorFile         = "error-*.html"
)

// pageSettings are the keys that say what the page looks like and what is sent with it.
func pageSettings() []Setting {
	return []Setting{
		{File: themeFile, Key: "title", Type: TypeText,
			Doc:  "The name that pages show; the node's name when absent.",
			into: to(func(t *Theme) *string { return &t.Title })},
		{File: themeFile, Key: "logo", Type: TypePath,
			Doc:  "The logo, an svg, png or jpg file of at most 256 KiB.",
			into: to(func(t *Theme) *string { return &t.Logo })},
		{File: themeFile, Key: "accent", Type: TypeColour,
			Doc:  "The colour of buttons and links.",
			into: to(func(t *Theme) *Colour { return &t.Accent })},
		{File: themeFile, Key: "accent_dark", Type: TypeColour,
			Doc:  "The same where browsers ask for a dark page; a lighter accent when absent.",
			into: to(func(t *Theme) *Colour { return &t.AccentDark })},
		{File: themeFile, Key: "css", Type: TypePath,
			Doc:  "A style sheet of at most 256 KiB that is added to the page's own.",
			into: to(func(t *Theme) *string { return &t.CSS })},
		{File: headersFile, Key: "*", Type: TypeText,
			Doc:  "A header of every answer.",
			into: entry(func(h *Headers) map[string]string { return *h })},
	}
}
