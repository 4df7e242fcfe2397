import { createMeterProvider } from "@almanac/metrics";
import { MetricReader } from "@opentelemetry/sdk-metrics";
class R extends MetricReader { async onForceFlush(){} async onShutdown(){} }
import { metrics } from "@opentelemetry/api";
metrics.setGlobalMeterProvider({getMeter(){}});
const size = Number(process.argv[2]); const mode = process.argv[3];
const ops = Math.max(50000, 4*size);
let state = 0x2545f491;
const random = () => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) / 2 ** 32; };
const order = Int32Array.from({ length: ops }, () => Math.floor(random() * size));
class Cell { constructor(){ this.value = 0; } add(v){ this.value += v; } }
class DCell { constructor(){ this.value = 0.5; } add(v){ this.value += v; } }
let add;
if (mode==="inline") { const c = Array.from({length:size},()=>({added:0,recorded:0})); add = (i)=>void c[i].added++; }
if (mode==="inlined") { const c = Array.from({length:size},()=>({added:0.5,recorded:0.5})); add = (i)=>void (c[i].added+=1); }
if (mode==="smi") { const c = Array.from({length:size},()=>new Cell()); add = (i)=>c[i].add(1); }
if (mode==="dbl") { const c = Array.from({length:size},()=>new DCell()); add = (i)=>c[i].add(1); }
if (mode==="bound") { const p = createMeterProvider({readers:[new R()], views:[{instrumentName:"*",aggregationCardinalityLimit:300000}]});
  const ctr = p.getMeter("x").createCounter("c"); const c = Array.from({length:size},(_,i)=>ctr.bind({a:i%12,b:(i/12|0)%8,c:i/96|0})); for (const h of c) h.add(1); add=(i)=>c[i].add(1);}
if (mode==="boundoff") { const p = createMeterProvider({exemplarFilter:"always_off",readers:[new R()], views:[{instrumentName:"*",aggregationCardinalityLimit:300000}]});
  const ctr = p.getMeter("x").createCounter("c"); const c = Array.from({length:size},(_,i)=>ctr.bind({a:i%12,b:(i/12|0)%8,c:i/96|0})); for (const h of c) h.add(1); add=(i)=>c[i].add(1);}
function run(n){ for(let i=0;i<n;i++) add(order[i]); }
for(let w=0;w<5;w++) run(ops);
const t=[]; for(let r=0;r<15;r++){ const s=performance.now(); run(ops); t.push((performance.now()-s)/ops*1e6);} t.sort((a,b)=>a-b);
console.log(mode,size,"min",t[0].toFixed(1),"med",t[7].toFixed(1));
