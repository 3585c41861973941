// One observer for all charts: draw when an element is visible, free its memory when it is not.

type Draw = () => void;
const drawings = new Map<HTMLCanvasElement, Draw>();
const seen = new Set<HTMLCanvasElement>();

function watch(element: HTMLCanvasElement, isSeen: boolean): void {
  if (isSeen && drawings.has(element)) {
    seen.add(element);
    drawings.get(element)?.();
  } else if (!isSeen) {
    seen.delete(element);
    release(element);
  }
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) watch(target as HTMLCanvasElement, isIntersecting);
  },
  { rootMargin: "120px" },
);

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) redraw(target as HTMLCanvasElement);
});

// Call *draw* whenever *element* becomes visible or changes its size; return a function that ends this.
export function whileSeen(element: HTMLCanvasElement, draw: Draw): () => void {
  drawings.set(element, draw);
  observer.observe(element);
  sizes.observe(element);
  return () => {
    drawings.delete(element);
    observer.unobserve(element);
    sizes.unobserve(element);
    seen.delete(element);
    release(element);
  };
}

export function redraw(element: HTMLCanvasElement): void {
  if (seen.has(element)) drawings.get(element)?.();
}

function release(element: HTMLCanvasElement): void {
  element.width = 0;
  element.height = 0;
}
