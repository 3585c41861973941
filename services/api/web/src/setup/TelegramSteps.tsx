// Telegram step by step: the token, then a message to the bot; the chat that wrote becomes the destination.

import { useEffect, useState } from "preact/hooks";
import { KeyNeeded, send } from "../api/client";
import { signInAsked } from "../api/session";
import type { FoundChat, TelegramSetup } from "../api/types";
import { patchConfig } from "../settings/config";
import { additionOf } from "../settings/DestinationForm";
import { withNote } from "../shell/notes";

const LOOK_MS = 2_000;

export function TelegramSteps({ done }: { done: (name: string) => void }) {
  const { found, problem } = useTelegram();
  if (problem) return <p class="mistake">{problem}</p>;
  if (!found) return <p>Asking the bot…</p>;
  if (found.token !== "accepted") {
    return (
      <p class="mistake" role="status">
        {found.advice}
      </p>
    );
  }
  return (
    <>
      <p class="good">✓ Telegram accepts the token of @{found.username}.</p>
      <p>
        Send the bot a message:{" "}
        <a href={`https://t.me/${found.username}?start=sevengate`} target="_blank" rel="noreferrer">
          open @{found.username}
        </a>{" "}
        and press Start. In a group, add the bot and write <code>/start@{found.username}</code>.
      </p>
      <Chats chats={found.chats} done={done} />
    </>
  );
}

function useTelegram(): { found: TelegramSetup | null; problem: string } {
  const [found, set] = useState<TelegramSetup | null>(null);
  const [problem, fail] = useState("");
  useEffect(() => {
    let asked = false; // once: the dialog may have been closed on purpose
    const look = () =>
      send<TelegramSetup>("POST", "api/setup/telegram").then(
        (next) => {
          set(next);
          fail("");
        },
        (error: Error) => {
          if (error instanceof KeyNeeded && !asked) signInAsked.value = error.message;
          asked ||= error instanceof KeyNeeded;
          fail(error.message);
        },
      );
    void look();
    const timer = setInterval(() => void look(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return { found, problem };
}

function Chats({ chats, done }: { chats: FoundChat[]; done: (name: string) => void }) {
  const [name, setName] = useState("phone");
  const [chosen, choose] = useState("");
  const chat = chats.find((each) => keyOf(each) === chosen) ?? chats[0];
  if (!chat) {
    return (
      <p class="dim" role="status">
        Waiting for a message… The chat appears here by itself.
      </p>
    );
  }
  const save = async (event: Event) => {
    event.preventDefault();
    if (chat.destination) return done(chat.destination);
    const value = { channel: "telegram", chat_id: chat.chat_id, topic_id: chat.topic_id };
    if (await withNote(patchConfig(additionOf(name, value)), `${name} is saved`)) done(name);
  };
  return (
    <form class="stack" onSubmit={(event) => void save(event)}>
      <fieldset>
        <legend>Chats that wrote to the bot</legend>
        {chats.map((each) => (
          <label key={keyOf(each)} class="found-chat">
            <input type="radio" name="chat" checked={each === chat} onChange={() => choose(keyOf(each))} />
            {each.title} <small>{each.destination ? `is ${each.destination} already` : each.kind}</small>
          </label>
        ))}
      </fieldset>
      {!chat.destination && (
        <label>
          <span>Name of this destination</span>
          <input required value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
      )}
      <button type="submit" class="primary">
        {chat.destination ? "Next" : "Save"}
      </button>
    </form>
  );
}

function keyOf({ chat_id, topic_id }: FoundChat): string {
  return `${chat_id}:${topic_id ?? ""}`;
}
