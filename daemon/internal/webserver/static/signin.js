// Signs in without leaving the page. Without this script the form works as a plain POST.
import { call } from './api.js';

const form = document.getElementById('signin');
const problem = document.getElementById('problem');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  problem.hidden = true;
  try {
    await call('POST', '/login', credentials(new FormData(form)));
    location.assign(form.elements.next.value);
  } catch (failure) {
    button.disabled = false;
    if (failure.challenge) {
      ask(failure.challenge);
      return;
    }
    problem.textContent = failure.message;
    problem.hidden = false;
    if (form.elements.challenge) {
      form.reset(); // a challenge is answered once; begin again
      setTimeout(() => location.reload(), 3000);
      return;
    }
    form.elements.password.value = '';
    form.elements.password.focus();
  }
});

function credentials(data) {
  if (data.has('challenge')) return { challenge: data.get('challenge'), answers: data.getAll('answer') };
  return { username: data.get('username'), password: data.get('password') };
}

/** Puts the challenge's questions in the place of the fields. */
function ask(challenge) {
  const id = document.createElement('input');
  Object.assign(id, { type: 'hidden', name: 'challenge', value: challenge.id });
  const fields = challenge.prompts.flatMap(({ text, echo }, i) => {
    const label = document.createElement('label');
    label.htmlFor = `answer-${i}`;
    label.textContent = text;
    const input = document.createElement('input');
    Object.assign(input, { id: label.htmlFor, name: 'answer', type: echo ? 'text' : 'password', autocomplete: 'one-time-code', required: true });
    return [label, input];
  });
  form.replaceChildren(form.elements.next, id, ...fields, form.querySelector('button'));
  form.querySelector('input:not([type=hidden])').focus();
}
