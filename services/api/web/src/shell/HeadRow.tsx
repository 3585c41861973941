// The head of a table: a column's name each, those of *numbers* above the right edge of their figures.

export function HeadRow({ names, numbers = [] }: { names: string[]; numbers?: string[] }) {
  return (
    <thead>
      <tr>
        {names.map((name) => (
          <th key={name} scope="col" class={numbers.includes(name) ? "number" : ""}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
