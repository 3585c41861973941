// Which rows of a long table are in sight: only those are in the document.
//
// All rows have one height, so that a row's place follows from its number and nothing is measured.

import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

export const ROW_HEIGHT = 34; // points, of a row and of the head
const BEYOND = 6; // rows above and below those in sight: a slow frame shows no gap
const STEP = 3; // rows that come and go together while scrolling

export interface Sight {
  first: number;
  end: number; // behind the last one
}

// Return which of *count* rows to draw while the rows from *top* on are seen through *height* points.
export function rowsInSight(top: number, height: number, count: number, beyond = BEYOND): Sight {
  const seen = Math.ceil(height / ROW_HEIGHT);
  const at = Math.floor(top / ROW_HEIGHT / STEP) * STEP;
  const first = Math.max(0, Math.min(at, count - seen) - beyond);
  return { first, end: Math.min(count, at + seen + STEP + beyond) };
}

function overlap(one: Sight, other: Sight): boolean {
  return one.first < other.end && other.first < one.end;
}

// Return the places of the rows to draw: those in *sight*, and *held* wherever it is.
export function placesOf({ first, end }: Sight, held: number): number[] {
  const places = Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at);
  if (held < 0 || (held >= first && held < end)) return places;
  return held < first ? [held, ...places] : [...places, held];
}

// Return where to scroll to, so that the row at *place* is seen: as near to *top* as that can be.
export function revealing(place: number, top: number, height: number): number {
  const above = place * ROW_HEIGHT;
  return Math.max(Math.min(top, above), above + 2 * ROW_HEIGHT - height); // two: the head covers the first
}

// Follow which of *count* rows are in sight in *scroller*.
export function useSight(scroller: RefObject<HTMLElement>, count: number): Sight {
  const [sight, see] = useState(() => rowsInSight(0, innerHeight, count));
  useLayoutEffect(() => {
    const box = scroller.current!;
    let later = 0;
    const look = () => {
      const next = rowsInSight(box.scrollTop, box.clientHeight, count);
      see((held) => {
        if (held.first === next.first && held.end === next.end) return held;
        if (overlap(held, next)) return next;
        later = setTimeout(look); // a jump: what is not seen waits until this frame is drawn
        return rowsInSight(box.scrollTop, box.clientHeight, count, 0);
      });
    };
    const sizes = new ResizeObserver(look);
    sizes.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      clearTimeout(later);
      sizes.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [count]);
  return sight;
}
