import { ExpositionError, parsePage } from "@almanac/exposition";

const page = parsePage('# TYPE shop_orders counter\nshop_orders_total{outcome="paid"} 3\n# EOF\n', "openmetrics");
for (const { name, type, samples } of page.values()) {
  for (const sample of samples) console.log(name, type, sample.name, Object.fromEntries(sample.labels), sample.value);
}
try {
  parsePage("shop_orders_total 3\nshop_orders_total 4\n", "text");
} catch (error) {
  if (error instanceof ExpositionError) console.log(error.code, error.position, error.message);
}
