import { defineEndpoint, node, p, t } from "@tinybirdco/sdk";

export const topPages = defineEndpoint("top_pages", {
  description: "The most visited pages",
  params: {
    start_date: p.dateTime(),
    limit: p.int32().optional(10),
  },
  nodes: [
    node({
      name: "ranked",
      sql: `
        SELECT pathname, count() AS views
        FROM page_views
        WHERE timestamp >= {{DateTime(start_date)}}
        GROUP BY pathname
        ORDER BY views DESC, pathname
        LIMIT {{Int32(limit, 10)}}
      `,
    }),
  ],
  output: { pathname: t.string(), views: t.uint64() },
});
