package launcher

import (
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// at is a moment of the story that the tests of presence tell, in minutes from its beginning.
func at(minutes int) time.Time {
	return time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	limits := session.Limits{Profile: "p", Idle: 30 * time.Minute, Disconnect: 2 * time.Hour}
	never := verdict{}
	for name, c := range map[string]struct {
		p         presence
		limits    session.Limits
		key       string
		acts, say time.Time
	}{
		"input long ago":                                {presence{viewers: 1, input: at(1), came: at(0)}, limits, session.KeyIdle, at(31), at(26)},
		"input before the viewer came":                  {presence{viewers: 2, input: at(1), came: at(100)}, limits, session.KeyIdle, at(130), at(125)},
		"input not measured":                            {presence{viewers: 1, came: at(0)}, limits, "", never.at, never.say},
		"nobody there, so input does not count":         {presence{input: at(1), alone: at(10)}, limits, session.KeyDisconnect, at(130), at(125)},
		"somebody there, so being alone does not count": {presence{viewers: 1, input: at(500), alone: at(10)}, limits, session.KeyIdle, at(530), at(525)},
		"run out while no launcher was there":           {presence{alone: at(10), since: at(600)}, limits, session.KeyDisconnect, at(605), at(600)},
		"about to run out when the launcher came":       {presence{alone: at(10), since: at(129)}, limits, session.KeyDisconnect, at(134), at(129)},
		"a limit too short for a long notice":           {presence{alone: at(10)}, session.Limits{Disconnect: 4 * time.Minute}, session.KeyDisconnect, at(14), at(12)},
		"no limits":                                     {presence{alone: at(10)}, session.Limits{}, "", never.at, never.say},
		"no limits, somebody there":                     {presence{viewers: 1, input: at(10)}, session.Limits{}, "", never.at, never.say},
	} {
		if v := c.p.judge(c.limits); v.key != c.key || !v.at.Equal(c.acts) || !v.say.Equal(c.say) {
			t.Errorf("%s: %+v; want %q at %s, told from %s on", name, v, c.key, c.acts, c.say)
		}
	}
}

func TestAVerdictIsAnnouncedAndThenActs(t *testing.T) {
	t.Parallel()
	limits := session.Limits{Profile: "p", Idle: 30 * time.Minute}
	v := presence{viewers: 1, input: at(0)}.judge(limits)
	for minute, want := range map[int]struct{ told, acts bool }{
		0: {false, false}, 25: {false, false}, 26: {true, false}, 30: {true, false}, 31: {true, true},
	} {
		w := v.warning(at(minute), limits)
		if (w != nil) != want.told || v.acts(at(minute)) != want.acts {
			t.Errorf("after %d minutes the warning is %+v, acts: %v", minute, w, v.acts(at(minute)))
		}
	}
	if v.acts(at(30).Add(limits.LookEvery())) {
		t.Error("it acts before input of the last moment can have been told")
	}
	const text = "everybody is disconnected, unless somebody uses the keyboard or mouse: idle_timeout = 30m in performance/p.ini"
	if w := v.warning(at(26), limits); w.Text != text || !w.At.Equal(at(30)) {
		t.Errorf("the warning is %+v", w)
	}
	if (verdict{}).acts(at(1000)) || (verdict{}).warning(at(1000), limits) != nil {
		t.Error("no limit acts, or is announced")
	}
}
