// Server-sent events from a byte stream: split into events, wherever its chunks begin and end.

export interface ServerEvent {
  name: string;
  id: string;
  data: string;
}

// Return a function that takes a chunk and returns the events that it completes.
export function eventParser(): (chunk: string) => ServerEvent[] {
  let rest = "";
  return (chunk) => {
    const blocks = (rest + chunk).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    return blocks.map(parseBlock).filter((event) => event.data !== "");
  };
}

function parseBlock(block: string): ServerEvent {
  const event = { name: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event.name = line.slice(6).trim();
    else if (line.startsWith("id:")) event.id = line.slice(3).trim();
    else if (line.startsWith("data:")) event.data += (event.data && "\n") + line.slice(5).replace(/^ /, "");
  }
  return event;
}
