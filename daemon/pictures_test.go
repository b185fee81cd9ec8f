package daemon_test

import (
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

var pictures = flag.Bool("pictures", false, "take the pictures of the README anew")

// picturesDir holds the pictures of the README: what somebody sees who has signed in, and a session.
const picturesDir = "pictures"

// residuals are the words of a solver that converges, in colours.
const residuals = `i=0; while [ $i -lt 32 ]; do i=$((i+1)); bar=$(printf '%*s' $((34-i)) '' | tr ' ' '='); ` +
	`printf '\033[36m%4d\033[0m  residual 1.%02de-%02d  \033[32m%s\033[0m\n' $i $((i*37%97)) $((i/4+1)) "$bar"; done; printf '\033[1mconverging\033[0m \033[5m_\033[0m'; exec sleep 1h`

// wingCase is a solver's input.
const wingCase = `; NACA 2412, swept 25 degrees

[flow]
reynolds   = 3e6
mach       = 0.72
angle      = 2.5        ; degrees
turbulence = k-omega-sst

[mesh]
cells      = 4.2e6
first_cell = 1.1e-6     ; m
growth     = 1.15

[output]
every      = 50         ; iterations
fields     = pressure, velocity, wall-shear
`

// TestThePicturesOfTheReadme looks whether the README shows what there is. With -pictures it first takes them.
func TestThePicturesOfTheReadme(t *testing.T) {
	t.Parallel()
	if *pictures {
		takePictures(t)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sessions.png", "session.png"} {
		if !strings.Contains(string(readme), "(daemon/"+picturesDir+"/"+name+")") {
			t.Errorf("the README does not show %s", name)
		}
		f, err := os.Open(filepath.Join(picturesDir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		defer f.Close()
		if img, err := png.DecodeConfig(f); err != nil || img.Width != 1100 {
			t.Errorf("%s: %d wide, %v", name, img.Width, err)
		}
	}
}

func takePictures(t *testing.T) {
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	scene := map[string]string{
		"theme.ini":          "title = Aerodynamics\n",
		"apps/desktop.ini":   "name = Desktop\ncommand = openbox\nicon = desktop\n",
		"apps/xterm.ini":     "name = Terminal\ncommand = xterm\nicon = terminal\n",
		"apps/solver.ini":    "name = Flow solver\ncommand = xterm\nicon = chart\ncategory = Simulation\n",
		"apps/mesh.ini":      "name = Mesh editor\ncommand = xterm\nicon = cube\ncategory = Simulation\n",
		"apps/paraview.ini":  "name = ParaView\ncommand = xterm\nicon = cube\ncategory = Simulation\n",
		"apps/firefox.ini":   "name = Firefox\ncommand = xterm\nicon = browser\ncategory = Office\n",
		"apps/calculate.ini": "name = Calculator\ncommand = xterm\nicon = calculator\ngeometry = rootless\ncategory = Office\n",
	}
	for name, text := range scene {
		n.Write(name, text, 0o644)
	}
	n.Start()
	scripts := t.TempDir()
	for name, text := range map[string]string{"solve.sh": residuals, "wing.ini": wingCase} {
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const term = `xterm -fa 'DejaVu Sans Mono' -fs 10 -bg '#10151c' -fg '#d5dde8' `
	const edit = ` -e vim -n -R -c 'syntax on' -c 'set number background=dark noruler' `
	source, err := filepath.Abs("daemon.go")
	if err != nil {
		t.Fatal(err)
	}
	wing := n.StartSession(map[string]any{"geometry": "1100x700", "name": "Wing, Reynolds 3e6", "command": term +
		"-geometry 66x34+24+40 -T 'Flow solver' -e sh " + filepath.Join(scripts, "solve.sh") + " & " +
		term + "-geometry 62x22+560+230 -T wing.ini" + edit + filepath.Join(scripts, "wing.ini")})
	for name, command := range map[string]string{
		"Code":         term + "-geometry 150x50" + edit + source,
		"Cylinder, 2D": term + "-geometry 66x34+100+60 -e sh " + filepath.Join(scripts, "solve.sh"),
	} {
		n.AwaitState(n.StartSession(map[string]any{"geometry": "1100x700", "name": name, "command": command}).ID, transporter.Running)
	}
	n.AwaitState(wing.ID, transporter.Running)
	n.AwaitState(n.StartSession(map[string]any{"command": "echo no licence >&2; exit 3", "name": "Mesh, fine"}).ID, transporter.Ended)

	b := openTab(t, n.URL)
	b.signIn(n)
	b.look(1100, 700, false)
	b.Go(n.URL + "/sessions/" + wing.ID)
	b.connected()
	b.Until(`document.querySelector('canvas').height > 600 && /^\d+ ms$/.test(document.querySelector('#latency').textContent)`)
	await(t, "what the solver writes and its settings", func() error {
		img, green := b.Screenshot(), [2]int{}
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				if r, g, b, _ := img.At(x, y).RGBA(); g>>8 > 120 && g > b+0x2000 && (g > r+0x2000 || x > 560) {
					green[x/560]++
				}
			}
		}
		if green[0] < 1000 || green[1] < 100 {
			return fmt.Errorf("%d coloured pixels", green)
		}
		return nil
	})
	save := func(name string) {
		if err := os.MkdirAll(picturesDir, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(picturesDir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(f, b.Screenshot()); err != nil {
			t.Fatal(err)
		}
	}
	save("session.png")
	b.Go(n.URL)
	b.look(1100, 860, false)
	b.Until(`document.querySelectorAll('.thumb:not([hidden])').length == 3`)
	save("sessions.png")
}
