// The head of a table: a column's name each, those of *numbers* above the right edge of their figures; *row* is its
// number where not all rows are in the document.

interface Props {
  names: string[];
  numbers?: string[];
  row?: number;
}

export function HeadRow({ names, numbers = [], row }: Props) {
  return (
    <thead>
      <tr aria-rowindex={row}>
        {names.map((name) => (
          <th key={name} scope="col" class={numbers.includes(name) ? "number" : ""}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
