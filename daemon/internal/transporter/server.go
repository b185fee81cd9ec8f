package transporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ServerOptions say how a transporter node runs.
type ServerOptions struct {
	Monitor string // HOST:PORT where it can be watched, if its file names none; "" = nowhere
	Log     *slog.Logger
}

// Server is a transporter node: upstream's server in this process. It is told what to do by a file that nobody writes
// to while it is read. Take and Close are for one goroutine; what it is asked beyond that it can be asked once Take has
// started it.
type Server struct {
	o       ServerOptions
	srv     *server.Server  // nil until the first Take
	options *server.Options // that it runs with
	fatal   chan error
}

// NewServer makes one that Take starts.
func NewServer(o ServerOptions) *Server { return &Server{o: o, fatal: make(chan error, 1)} }

// Waits is something that the file says and that only a restart of the server brings into force. Values that could hold a
// secret are left out.
type Waits struct{ Key, Runs, Wanted string }

// Take goes over to what a file says; the first time it starts the server. What the server can take over only at its start
// stays as it is, and is returned. An error says why nothing has changed. name is what the error calls the file.
func (s *Server) Take(ctx context.Context, file, name string) ([]Waits, error) {
	next, err := server.ProcessConfigFile(file)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), file, name))
	}
	if err := s.complete(next); err != nil {
		return nil, err
	}
	if s.srv == nil {
		return nil, s.start(ctx, next)
	}
	return s.reload(next)
}

// How long clients are sent to other nodes for, unless the file says: upstream's own two minutes are meant for thousands.
const (
	lameDuck      = 20 * time.Second
	lameDuckGrace = 2 * time.Second
)

// complete adds what no file says. Reloads must not find a difference there.
func (s *Server) complete(o *server.Options) error {
	o.ConfigFile = "" // what is read again is ours to say
	o.NoSigs, o.NoLog = true, true
	if o.LameDuckDuration == 0 {
		o.LameDuckDuration, o.LameDuckGracePeriod = lameDuck, lameDuckGrace
	}
	if o.HTTPPort != 0 || o.HTTPSPort != 0 {
		return nil
	}
	if o.HTTPHost = "127.0.0.1"; s.o.Monitor == "" { // else it would follow the host for clients
		return nil
	}
	host, port, err := net.SplitHostPort(s.o.Monitor)
	if err != nil {
		return fmt.Errorf("the address for monitoring: %w", err)
	}
	o.HTTPHost = host
	o.HTTPPort, err = strconv.Atoi(port)
	return err
}

// startPatience is how long a server may take to listen.
const startPatience = 10 * time.Second

func (s *Server) start(ctx context.Context, o *server.Options) error {
	srv, err := server.NewServer(o)
	if err != nil {
		return err
	}
	srv.SetLoggerV2(serverLog{hubLog{s.o.Log}, s.fatal}, false, false, false)
	srv.Start()
	for end := time.Now().Add(startPatience); !srv.ReadyForConnections(50 * time.Millisecond); {
		select {
		case err = <-s.fatal:
		default:
			err = ctx.Err()
		}
		if err == nil && time.Now().After(end) {
			err = errors.New("it did not listen in time")
		}
		if err != nil {
			srv.Shutdown()
			srv.WaitForShutdown()
			return err
		}
	}
	s.srv, s.options = srv, o
	return nil
}

// unsupported is how upstream says that it cannot take something over.
var unsupported = regexp.MustCompile(`^config reload not supported for ([\w ]+?)(:|$)`)

// reload tries again without what upstream cannot take over, until it takes the rest.
func (s *Server) reload(next *server.Options) (waiting []Waits, err error) {
	for {
		err := s.srv.ReloadOptions(next)
		if err == nil {
			s.options = next
			return waiting, nil
		}
		m := unsupported.FindStringSubmatch(err.Error())
		if m == nil {
			return nil, err
		}
		w, ok := keep(s.options, next, m[1])
		if !ok || slices.ContainsFunc(waiting, func(o Waits) bool { return o.Key == w.Key }) {
			return nil, fmt.Errorf("%s can change only while the server is down; restart it", m[1])
		}
		waiting = append(waiting, w)
	}
}

// keep leaves a field of next as it runs. Upstream names fields of its options, and calls those of the cluster "cluster host".
func keep(runs, next *server.Options, field string) (Waits, bool) {
	from, to := reflect.ValueOf(runs).Elem(), reflect.ValueOf(next).Elem()
	if part, ok := strings.CutPrefix(field, "cluster "); ok {
		field = strings.ToUpper(part[:1]) + part[1:]
		from, to = reflect.ValueOf(&runs.Cluster).Elem(), reflect.ValueOf(&next.Cluster).Elem()
		w, ok := keepIn(from, to, field)
		w.Key = "cluster." + w.Key
		return w, ok
	}
	return keepIn(from, to, field)
}

func keepIn(from, to reflect.Value, field string) (Waits, bool) {
	old, wanted := from.FieldByName(field), to.FieldByName(field)
	if !old.IsValid() || !wanted.CanSet() {
		return Waits{}, false
	}
	w := Waits{Key: keyOf(field), Runs: shown(field, old), Wanted: shown(field, wanted)}
	wanted.Set(old)
	return w, true
}

// keyOf is the key of nats-server.conf that a field of upstream's options comes from.
func keyOf(field string) string {
	keys := map[string]string{"ServerName": "server_name", "HTTPHost": "http", "HTTPPort": "http", "HTTPSPort": "https", "HTTPBasePath": "http_base_path",
		"LeafNode": "leafnodes", "StoreDir": "jetstream.store_dir"}
	if key, ok := keys[field]; ok {
		return key
	}
	return strings.ToLower(field)
}

// shown prints a value that can be no secret.
func shown(field string, v reflect.Value) string {
	if slices.Contains([]string{"Host", "Port", "ServerName", "HTTPHost", "HTTPPort", "HTTPSPort", "HTTPBasePath"}, field) {
		return fmt.Sprint(v.Interface())
	}
	return "(not shown)"
}

// Failed tells that a server which was up has given up.
func (s *Server) Failed() <-chan error { return s.fatal }

// Addr is where clients connect, HOST:PORT.
func (s *Server) Addr() string { return s.srv.Addr().String() }

// MonitorAddr is where it can be watched; "" = nowhere.
func (s *Server) MonitorAddr() string {
	if a := s.srv.MonitorAddr(); a != nil {
		return a.String()
	}
	return ""
}

// Close ends the server. Where other transporter nodes are, clients are sent to them one after the other before.
func (s *Server) Close() {
	if s.srv == nil {
		return
	}
	if s.srv.NumRoutes() > 0 {
		s.srv.LameDuckShutdown()
	} else {
		s.srv.Shutdown()
	}
	s.srv.WaitForShutdown()
}

// serverLog also hears of what upstream's own program would end for.
type serverLog struct {
	hubLog
	fatal chan<- error
}

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

func (l serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
	default: // the first reason counts
	}
}
