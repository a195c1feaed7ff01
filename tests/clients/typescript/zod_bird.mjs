// zod-bird checks the shape of every answer itself: what is missing throws.
import { Tinybird } from "@chronark/zod-bird";
import { z } from "zod";

const tinybird = new Tinybird({ baseUrl: process.env.TINYBIRD_URL, token: process.env.TINYBIRD_TOKEN });
const event = z.object({ timestamp: z.string(), pathname: z.string(), session_id: z.string() });
const publish = tinybird.buildIngestEndpoint({ datasource: "page_views", event });
const top = tinybird.buildPipe({
  pipe: "top_pages",
  parameters: z.object({ start_date: z.string(), limit: z.number().optional() }),
  data: z.object({ pathname: z.string(), views: z.number() }),
});

const published = await publish([{ timestamp: "2024-01-15 10:30:00", pathname: "/zod", session_id: "s1" }]);
let rows = [];
for (let tries = 0; tries < 50 && rows.length === 0; tries++) {
  rows = (await top({ start_date: "2024-01-01 00:00:00" })).data.filter((row) => row.pathname === "/zod");
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const refused = await top({ start_date: "no date" }).then(() => "answered", (error) => String(error));
console.log(JSON.stringify({ published, rows, refused }));
