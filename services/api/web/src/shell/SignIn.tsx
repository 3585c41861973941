// Asks for a key where one is needed: for everything from another machine, and for changes from this one.

import { useEffect, useRef, useState } from "preact/hooks";
import { linkRefused, signIn, signInAsked, signingIn } from "../api/session";
import { restartLive } from "../live/start";
import { note } from "./notes";

export function SignIn({ why, cancel }: { why: string; cancel?: () => void }) {
  const [secret, change] = useState("");
  const [mistake, setMistake] = useState(linkRefused.value);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const { rights } = await signIn(secret.trim());
      signInAsked.value = "";
      linkRefused.value = "";
      note(rights === "write" ? "Signed in: repeat your change" : "Signed in: this key may only read", "good");
      restartLive();
    } catch (error) {
      setMistake((error as Error).message);
    }
  };
  return (
    <form class="panel key" onSubmit={(event) => void submit(event)}>
      <h2>Sign in</h2>
      <p>{why}</p>
      <p class="dim">
        Give the set-up token (with Compose “docker compose logs init” prints it; else it is in the file api-token of the data folder) or a
        key that was made with “./sevengate keys”.
      </p>
      <input
        type="password"
        autocomplete="off"
        aria-label="Set-up token or key"
        value={secret}
        onInput={(event) => change(event.currentTarget.value)}
      />
      {mistake && (
        <p class="mistake" role="alert">
          {mistake}
        </p>
      )}
      <button type="submit" class="primary" disabled={!secret.trim()}>
        Sign in
      </button>
      {cancel && (
        <button type="button" class="link" onClick={cancel}>
          Not now
        </button>
      )}
    </form>
  );
}

function notNow(): void {
  signInAsked.value = "";
  linkRefused.value = "";
}

// Above the board's grey cards, while the credential of the address is checked and that takes long.
export function SigningIn() {
  if (signingIn.value !== "slow") return null;
  return (
    <p class="hint" role="status">
      <span>
        Signing in takes longer than usual: Sevengate has not answered yet. If this fails, see in the terminal whether it runs, then open
        its link again.
      </span>
    </p>
  );
}

export function SignInDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const why = signInAsked.value;
  useEffect(() => {
    if (why && !dialog.current?.open) dialog.current?.showModal();
    else if (!why) dialog.current?.close();
  }, [why]);
  return (
    <dialog ref={dialog} class="sign-in" aria-label="Sign in" onClose={notNow}>
      {why && <SignIn why="Changes need a key, so that other programs on this machine cannot make them." cancel={notNow} />}
    </dialog>
  );
}
