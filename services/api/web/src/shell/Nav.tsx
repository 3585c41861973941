// The navigation: a rail at the side, or a bar at the foot of a phone.

import { hasRecord } from "../record/available";
import { route } from "../router";

const ROOMS: [page: string, icon: string, name: string][] = [
  ["board", "▦", "Board"],
  ["signals", "➚", "Signals"],
  ["radar", "◎", "Radar"],
  ["alerts", "✉", "Alerts"],
  ["watches", "◔", "Price alerts"],
  ["record", "≣", "Record"],
  ["settings", "⚙", "Settings"],
  ["health", "♥", "Health"],
];

export function Nav() {
  const here = route.value.page === "coin" ? "board" : route.value.page;
  return (
    <nav class="rail" aria-label="Pages">
      {ROOMS.filter(([page]) => page !== "record" || hasRecord.value).map(([page, icon, name]) => (
        <a key={page} href={`#/${page}`} aria-current={here === page ? "page" : undefined}>
          <span aria-hidden="true">{icon}</span>
          {name}
        </a>
      ))}
    </nav>
  );
}
