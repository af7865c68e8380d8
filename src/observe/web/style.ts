import { rowStyles } from '../diagrams/timelineSvg.ts';
import { phaseCss } from '../state/phases.ts';

const ink = (phase: string, colours: { readonly ink: string }): string => `--${phase}:${colours.ink};`;
const iconColour = (phase: string): string => `.icon.is-${phase}{color:var(--${phase})}`;

/** The page's stylesheet. Every text colour has a contrast of at least 4.5 to its background. */
export const style = `${rowStyles}
:root{color-scheme:light dark;--background:#f6f8fa;--panel:#fff;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--edge:#afb8c1;
${phaseCss('light', ink)}--mark:#fff;--focus:#0969da}
@media(prefers-color-scheme:dark){:root{--background:#0d1117;--panel:#151b23;--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--edge:#59636e;
${phaseCss('dark', ink)}--mark:#0d1117;--focus:#58a6ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--background);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,sans-serif}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1.5rem;padding:1rem 1.5rem .25rem}
h1{font-size:1.25rem;margin:0;overflow-wrap:anywhere}h1 .soft{font-weight:400;font-size:1rem}
h2{font-size:.95rem;margin:0 0 .75rem}
p{margin:0}
.soft,.since,time{color:var(--soft)}p.soft,p .soft{font-size:.85rem}
.summary{font-size:1.1rem;font-weight:600;flex:1}
.connection{font-size:.85rem}.connection.lost{color:var(--failed);font-weight:600}
main{display:grid;grid-template-columns:minmax(0,1fr);gap:1rem;padding:1rem 1.5rem 2rem;max-width:90rem;margin:0 auto}
header{max-width:90rem;margin:0 auto}
section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:1rem;min-width:0}
.scroll{overflow:auto}.tall{max-height:22rem}
svg{vertical-align:-.15em}
svg.graph,svg.timeline{display:block;margin:0 auto}
svg.timeline,svg.fits{max-width:100%;height:auto}
.narrow{display:none!important}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.85rem;margin-top:.5rem}
.legend svg{display:inline;vertical-align:-.2em}
.icon .stroke{fill:none;stroke:currentColor;stroke-width:2}.icon .dotted{stroke-dasharray:2.2 2.5}
.icon .fill{fill:currentColor}.icon .mark{fill:none;stroke:var(--mark);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
${phaseCss('light', iconColour)}
.edge{fill:none;stroke:var(--edge);stroke-width:1.5}.edge.open{stroke:var(--ready)}.edge.restart,.edge.stop{stroke-dasharray:5 4}
.box rect{fill:var(--panel);stroke:var(--line);stroke-width:1.5}
.box.is-starting rect{stroke:var(--starting)}.box.is-ready rect{stroke:var(--ready)}
.box.is-down rect{stroke:var(--down);stroke-width:2.5}.box.is-failed rect{stroke:var(--failed);stroke-width:2.5}
.box text{fill:var(--ink)}.box .name{font-weight:600;font-size:12px}.box .state{fill:var(--soft);font-size:12px}
.graph.narrow text{text-anchor:middle;font-size:10.5px}
.box:hover rect{fill:var(--background)}
a.box:focus{outline:none}a.box:focus-visible rect{stroke:var(--focus);stroke-width:3.5}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:4px}
.events{list-style:none;margin:0;padding:0;font-size:.9rem}
.events li{padding:.15rem 0 .15rem .6rem;border-left:3px solid transparent;overflow-wrap:anywhere}
.events .warn{border-color:var(--down)}.events .error{border-color:var(--failed);font-weight:600}
.events .name,.component .name{font-weight:600}
time{font-variant-numeric:tabular-nums}
.component{border-top:1px solid var(--line)}
.components .component:first-child{border-top:0}
summary,div.component{padding:.4rem .25rem .4rem 1.25rem}
summary{cursor:pointer;padding-left:.25rem}summary:hover{background:var(--background)}
.component .name{display:inline-block;min-width:11rem}
.component .state{display:inline-block;min-width:8rem}
.component .why{color:var(--soft);margin-left:.5rem;overflow-wrap:anywhere}
.component .icon{margin:0 .4rem 0 .2rem}
:target>summary,div:target{background:var(--background)}
.log{max-height:20rem;overflow:auto;margin:.25rem 0 .75rem;padding:.5rem .75rem;background:var(--background);border:1px solid var(--line);
border-radius:6px;font:12px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.log div{border-left:3px solid transparent;padding-left:.5rem}
.log .warn{border-color:var(--down)}.log .error,.log .fatal{border-color:var(--failed);font-weight:600}
.log:empty::before{content:"nothing yet";color:var(--soft)}
@media(min-width:75rem){main{grid-template-columns:minmax(0,3fr) minmax(0,2fr)}.whole{grid-column:1/-1}.tall{max-height:20rem}}
@media(max-width:50rem){.narrow{display:block!important}.wide{display:none!important}
header{padding:.75rem .75rem 0}.summary{flex-basis:100%;order:1}.connection{margin-left:auto}main{padding:.75rem;gap:.75rem}section{padding:.6rem}
.component .name{min-width:0;margin-right:.4rem}.component .state{min-width:0}.component .since{display:none}
.component .why{display:block;margin:0 0 0 1.75rem}.component .why:empty{display:none}}
`;
