import { ROOT_CONTEXT } from "@opentelemetry/api";
const size = Number(process.argv[2]); const mode = process.argv[3];
const ops = Math.max(50000, 4*size);
let state = 0x2545f491;
const random = () => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) / 2 ** 32; };
const order = Int32Array.from({ length: ops }, () => Math.floor(random() * size));
let unsampled = ROOT_CONTEXT, sampled; const registry={version:1};
class Ex { wants(from){ let c=from; if(c===undefined){ const m=registry.context; if(m===undefined) return false; c=m.active(); } if (c===ROOT_CONTEXT||c===unsampled) return false; return this.slow(c);} slow(c){return c===sampled;} }
class Store { constructor(){ this.exemplars = new Ex(); this.live=1; } slow(){ throw new Error("slow"); } }
const store = new Store(); const closed=2**30-1;
class S3 { constructor(i,a){ this.pending=0; this.store=store; this.cold={row:i,a:1,b:2,attributes:a}; }
 add(v,from){ const sum=typeof v==="number"&&v>=0?this.pending+v:closed; if(!(sum<closed&&sum===(sum|0))) return this.store.slow(); this.pending=sum; const e=this.store.exemplars; if(e!==undefined&&e.wants(from)) e.slow(); } }
class S6 { constructor(i,a){ this.pending=0; this.store=store; this.row=i; this.rule=store; this.sibling=undefined; this.attributes=a; }
 add(v,from){ const sum=typeof v==="number"&&v>=0?this.pending+v:closed; if(!(sum<closed&&sum===(sum|0))) return this.store.slow(); this.pending=sum; const e=this.store.exemplars; if(e!==undefined&&e.wants(from)) e.slow(); } }
class S1 { constructor(i){ this.pending=0; }
 add(v,from){ const sum=typeof v==="number"&&v>=0?this.pending+v:closed; if(!(sum<closed&&sum===(sum|0))) return this.store.slow(); this.pending=sum; } }
class F2 { constructor(i,a){ this.labels=a; this.value=0.5; } add(v){ this.value+=v; } }
class F2S { constructor(i,a){ this.labels=a; this.value=0; } add(v){ this.value+=v; } }
const K={S1,S3,S6,F2,F2S}[mode];
const c = Array.from({length:size},(_,i)=>new K(i,{a:i%12,b:(i/12|0)%8,c:i/96|0,d:1})); const add=(i)=>c[i].add(1);
function run(n){ for(let i=0;i<n;i++) add(order[i]); }
for(let w=0;w<5;w++) run(ops);
const t=[]; for(let r=0;r<15;r++){ const s=performance.now(); run(ops); t.push((performance.now()-s)/ops*1e6);} t.sort((a,b)=>a-b);
console.log(mode,size,"min",t[0].toFixed(1),"med",t[7].toFixed(1));
