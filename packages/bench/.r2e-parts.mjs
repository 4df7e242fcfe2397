import { metrics } from "@opentelemetry/api"; metrics.setGlobalMeterProvider({getMeter(){}});
import { createMeterProvider } from "@almanac/metrics";
import { MetricReader } from "@opentelemetry/sdk-metrics";
import { declareKeys } from "../metrics/src/engine/declared.ts";
class R extends MetricReader { async onForceFlush(){} async onShutdown(){} }
const size = Number(process.argv[2]); const mode = process.argv[3];
const ops = 50000;
let state = 0x2545f491;
const random = () => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) / 2 ** 32; };
const order = Int32Array.from({ length: ops }, () => Math.floor(random() * size));
const values = Float64Array.from({ length: ops }, () => 400 * random() ** 4);
const column = (name, divisor, count) => { const values = Object.keys(Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name}-${i}`, i]))); return Array.from({ length: size }, (_, i) => values[Math.floor(i / divisor) % count]); };
const zone=column("zone",1,12), kind=column("kind",12,2), outcome=column("outcome",24,4), host=column("host",96,Math.ceil(size/96));
const p = createMeterProvider({readers:[new R()], exemplarFilter: process.argv[4]??"trace_based", views:[{instrumentName:"*",aggregationCardinalityLimit:300000}]});
const ctr = mode.startsWith("h")?p.getMeter("x").createHistogram("c",{advice:{explicitBucketBoundaries:[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]}}):p.getMeter("x").createCounter("c");
const d = declareKeys(ctr,[["zone","kind","outcome","host"]]);
const rec = ctr.record.bind(ctr);
for(let i=0;i<size;i++) ctr.record(1,{ zone: zone[i], kind: kind[i], outcome: outcome[i], host: host[i] });
const store=ctr.stores[0], table=store.index.table(["zone","kind","outcome","host"]);
const none={}; let sum=0;
const bounds=mode.startsWith("h")&&Array.from({length:size},(_,i)=>ctr.bind({ zone: zone[i], kind: kind[i], outcome: outcome[i], host: host[i] }));
if(bounds) for(const b of bounds) b.record(1);
const f={ find:(i)=>{sum+=table.findOrdered({ zone: zone[i], kind: kind[i], outcome: outcome[i], host: host[i] })},
 update:(i)=>store.update(i,1,none,undefined), hupdate:(i,v)=>store.update(i,v,none,undefined), hbound:(i,v)=>bounds[i].record(v),
 declared:(i)=>d.record(1,{ zone: zone[i], kind: kind[i], outcome: outcome[i], host: host[i] },undefined),
 hdeclared:(i,v)=>d.record(v,{ zone: zone[i], kind: kind[i], outcome: outcome[i], host: host[i] },undefined),
 generic:(i)=>ctr.record(1,{ zone: zone[i], kind: kind[i], outcome: outcome[i], host: host[i] }) }[mode];
function run(n){ for(let i=0;i<n;i++) f(order[i],values[i]); }
for(let w=0;w<8;w++) run(ops);
const tt=[]; for(let r=0;r<25;r++){ const s=performance.now(); run(ops); tt.push((performance.now()-s)/ops*1e6);} tt.sort((a,b)=>a-b);
console.log(mode,size,process.argv[4]??"","min",tt[0].toFixed(1),"med",tt[12].toFixed(1), sum>1?"":"");
