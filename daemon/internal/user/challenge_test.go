package user

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// asked logs in as far as the first questions.
func (r *rig) asked(user, address string) *transporter.Challenge {
	r.t.Helper()
	reply, err := r.try(user, passwords[user], address)
	if err != nil {
		r.t.Fatal(err)
	}
	if reply.Challenge == nil || reply.Token != "" {
		r.t.Fatalf("got %+v, want a challenge and no token", reply)
	}
	return reply.Challenge
}

func (r *rig) answers(id string, answers ...string) (transporter.LoginReply, error) {
	return r.login(context.Background(), transporter.LoginRequest{Challenge: id, Answers: answers, Address: "192.0.2.1"})
}

func TestLoginByQuestionsAndAnswers(t *testing.T) {
	t.Parallel()
	q := &questions{codes: []string{"one", "two"}}
	r := newRig(t, with(q))
	first := r.asked("fred", "192.0.2.1")
	if len(first.Prompts) != 2 || first.Prompts[0].Text != "Code: " || first.Prompts[0].Echo || !first.Prompts[1].Echo {
		t.Errorf("prompts %+v", first.Prompts)
	}
	for _, c := range r.challenges.open {
		if c.attempt.Password != "" {
			t.Error("the password is kept while answers are waited for")
		}
	}
	reply, err := r.answers(first.ID, "one", "one")
	if err != nil || reply.Challenge == nil || reply.Token != "" || reply.Challenge.ID == first.ID {
		t.Fatalf("after the first answers: %+v, %v", reply, err)
	}
	done, err := r.answers(reply.Challenge.ID, "two", "two")
	if err != nil || done.User != "fred" {
		t.Fatalf("after the second: %+v, %v", done, err)
	}
	if id, err := r.who(done.Token); err != nil || id.User != "fred" {
		t.Errorf("%+v, %v", id, err)
	}
	for _, id := range []string{first.ID, reply.Challenge.ID} {
		_, err := r.answers(id, "two", "two")
		wantError(t, err, transporter.Unauthorized, "answered already")
	}
	if n := q.abandoned.get(); n != 0 {
		t.Errorf("%d steps were abandoned though answered", n)
	}
	if got := r.audited(); len(got) != 1 || got[0].Outcome != audit.Done {
		t.Errorf("audited %+v, want one good login", got)
	}
}

func TestWrongAnswerEndsTheLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t, with(&questions{codes: []string{"one"}}))
	id := r.asked("fred", "192.0.2.1").ID
	_, err := r.answers(id, "one", "two")
	wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
	_, err = r.answers(id, "one", "one")
	wantError(t, err, transporter.Unauthorized, "answered already")
}

func TestGuessingAnswersIsLimitedLikeGuessingPasswords(t *testing.T) {
	t.Parallel()
	r := newRig(t, with(&questions{codes: []string{"one"}}))
	for range pairPerMinute {
		_, err := r.answers(r.asked("fred", "192.0.2.1").ID, "x", "x")
		wantError(t, err, transporter.Unauthorized)
	}
	_, err := r.try("fred", passwords["fred"], "192.0.2.1")
	wantError(t, err, transporter.TooMany)
}

func TestAnswersOfTheWrongShapeEndTheLogin(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string][]string{
		"none": nil, "too few": {"one"}, "too many": {"one", "one", "one"}, "endless": {"one", strings.Repeat("x", maxSecret+1)},
	} {
		q := &questions{codes: []string{"one"}}
		r := newRig(t, with(q))
		id := r.asked("fred", "192.0.2.1").ID
		if _, err := r.answers(id, answers...); code(err) != transporter.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := r.answers(id, "one", "one"); code(err) != transporter.Unauthorized {
			t.Errorf("%s, then good ones: %v", name, err)
		}
		if q.abandoned.get() != 1 {
			t.Errorf("%s: the step was not freed", name)
		}
	}
}

func TestUnansweredChallengeExpiresAndIsFreed(t *testing.T) {
	t.Parallel()
	q := &questions{codes: []string{"one"}}
	r := newRig(t, with(q))
	late := r.asked("fred", "192.0.2.1").ID
	r.clock.move(time.Second)
	last := r.asked("fred", "192.0.2.1").ID
	r.clock.move(challengeTime - time.Second)
	_, err := r.answers(late, "one", "one")
	wantError(t, err, transporter.Unauthorized, "took too long")
	if n := q.abandoned.get(); n != 1 {
		t.Errorf("%d steps were freed, want 1", n)
	}
	if _, err := r.answers(last, "one", "one"); err != nil {
		t.Errorf("in its last second: %v", err)
	}
	r.asked("fred", "192.0.2.1")
	r.challenges.abandonAll()
	if n := q.abandoned.get(); n != 2 {
		t.Errorf("%d steps were freed at the end, want 2", n)
	}
}

func TestOpenChallengesAreBounded(t *testing.T) {
	t.Parallel()
	q := &questions{codes: []string{"one"}}
	r := newRig(t, with(q))
	for i := range maxChallenges {
		if _, ok := r.challenges.add(&challenge{step: q.step("fred", q.codes)}); !ok {
			t.Fatalf("challenge %d was refused", i)
		}
	}
	for range 2 * pairPerMinute { // refused, and not charged as a guess
		_, err := r.try("fred", passwords["fred"], "192.0.2.1")
		wantError(t, err, transporter.TooMany, "120 seconds")
	}
	if n := q.abandoned.get(); n != 2*pairPerMinute {
		t.Errorf("%d steps were freed, want %d", n, 2*pairPerMinute)
	}
	r.clock.move(challengeTime)
	r.asked("fred", "192.0.2.1")
	if n := q.abandoned.get(); n != 2*pairPerMinute+maxChallenges {
		t.Errorf("%d steps were freed after their time, want all", n)
	}
}

func TestAuthenticatorThatNeverStopsAskingIsStopped(t *testing.T) {
	t.Parallel()
	q := &questions{codes: strings.Split(strings.Repeat("x", maxSteps+1), "")}
	r := newRig(t, with(q))
	id := r.asked("fred", "192.0.2.1").ID
	for range maxSteps - 1 {
		reply, err := r.answers(id, "x", "x")
		if err != nil {
			t.Fatal(err)
		}
		id = reply.Challenge.ID
	}
	_, err := r.answers(id, "x", "x")
	wantError(t, err, transporter.Unauthorized)
	if q.abandoned.get() != 1 {
		t.Error("the last step was not freed")
	}
}

func TestUserDisabledWhileAnswering(t *testing.T) {
	t.Parallel()
	r := newRig(t, with(&questions{codes: []string{"one"}}))
	id := r.asked("fred", "192.0.2.1").ID
	r.reconfigure(func(c *spec.Config) { c.Permissions.Users = map[string]spec.Level{"fred": spec.Disabled} })
	_, err := r.answers(id, "one", "one")
	wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
}

func TestAuthenticatorThatFailsHalfWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g, _ := r.throttle.enter("fred", "192.0.2.1", r.clock.now())
	id, _ := r.challenges.add(&challenge{guess: g, step: Step{
		Answer: func(context.Context, []string) (Step, error) { return Step{}, errors.New("gone") },
	}})
	_, err := r.answers(id)
	wantError(t, err, transporter.Unavailable)
}

func TestAnswersFindTheNodeThatAsked(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	q := &questions{codes: []string{"one"}}
	asks := newRig(t, on(hub), with(q), named("rack1.node-a"))
	other := newRig(t, on(hub), with(&questions{}), named("rack1.node-b"))
	asks.run()
	other.run()
	id := asks.asked("fred", "192.0.2.1").ID
	reply, err := other.answers(id, "one", "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asks.who(reply.Token); err != nil {
		t.Error(err)
	}
	for name, id := range map[string]string{
		"made up":      strings.Repeat("0", 32) + ".rack1.node-a",
		"without node": strings.Repeat("0", 32),
		"empty node":   "0.",
		"endless node": "0." + strings.Repeat("n", 10_000),
	} {
		if _, err := other.answers(id, "one", "one"); code(err) != transporter.Unauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = other.answers("0.nowhere", "one", "one")
	wantError(t, err, transporter.Unauthorized) // nor does it tell which nodes there are
}

func FuzzChallengeID(f *testing.F) {
	cs := newChallenges("n1", time.Now)
	f.Add("0.n1")
	f.Add(fmt.Sprint(strings.Repeat("0", 32), ".n2.x"))
	f.Fuzz(func(t *testing.T, id string) {
		if node, other := cs.elsewhere(id); other && (node == "" || node == "n1" || len(node) > maxName) {
			t.Fatalf("%q leads to the node %q", id, node)
		}
	})
}
