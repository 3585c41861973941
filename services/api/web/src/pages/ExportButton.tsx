// The history as a file: at once where it is short, with progress where it has to be written first.

import { useEffect, useState } from "preact/hooks";
import { get, send } from "../api/client";
import { inMarket } from "../api/market";
import type { ExportBegun, ExportJob } from "../api/types";
import { note } from "../shell/notes";

const LOOK_MS = 500;
const STREAMED = "api/export/signals.csv";

export function ExportButton({ status }: { status: string }) {
  const [job, setJob] = useState<ExportJob | null>(null);
  const query = status ? `?status=${status}` : "";
  const running = job?.status === "waiting" || job?.status === "running";
  useEffect(() => {
    if (!running) return;
    const timer = setTimeout(() => void look(job.job_id), LOOK_MS);
    return () => clearTimeout(timer);
  }, [job]);
  const look = async (id: string) => {
    const found = await get<ExportJob>(`api/export/jobs/${id}`).catch(() => null);
    if (found) setJob(found);
    if (found?.url) download(found.url);
    if (found?.status === "failed") note(`The export failed: ${found.problem}`, "bad");
  };
  const begin = async () => {
    // who may only read gets the streamed file, however long it is
    const begun = await send<ExportBegun>("POST", `api/export/signals${query}`).catch(() => null);
    if (begun?.job_id) await look(begun.job_id);
    else download(begun?.url ?? inMarket(`${STREAMED}${query}`));
  };
  return (
    <>
      <button type="button" disabled={running} onClick={() => void begin()}>
        Export CSV
      </button>
      {running && (
        <label class="export-progress">
          <progress max={job.total || 1} value={job.rows} /> {job.rows.toLocaleString("en")} of {job.total.toLocaleString("en")} signals
        </label>
      )}
    </>
  );
}

function download(url: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = "sevengate-signals.csv";
  link.click();
}
