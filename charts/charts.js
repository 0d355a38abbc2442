// Draws the charts of a report from the Vega-Lite specs that it carries.
//
// Vega's interpreter walks the expressions of a chart instead of compiling them, so that the page's
// Content-Security-Policy forbids eval. A chart that is drawn closes the table of the same figures; one that is not
// leaves it open.
import { parse, View } from "vega";
import { expressionInterpreter } from "vega-interpreter";
import { compile } from "vega-lite";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const printed = window.matchMedia("print");

function config(night) {
  const ink = night ? "#c9ced6" : "#3a424d";
  const line = night ? "#3a424d" : "#dde1e6";
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    axis: { labelColor: ink, titleColor: ink, domainColor: line, tickColor: line, gridColor: line, labelLimit: 220 },
    legend: { labelColor: ink, titleColor: ink, labelLimit: 220 },
    header: { labelColor: ink, titleColor: ink },
    view: { stroke: null },
  };
}

async function draw(figure, spec, night) {
  const place = figure.querySelector(".drawing");
  const width = Math.max(Math.min(figure.clientWidth || 640, 860) - 8, 240);
  const compiled = compile({ ...spec, width, autosize: { type: "fit-x", contains: "padding" } }, { config: config(night) });
  const view = new View(parse(compiled.spec, null, { ast: true }), {
    expr: expressionInterpreter,
    renderer: "svg",
    container: place,
    hover: false,
  });
  await view.runAsync();
  const table = figure.querySelector("details");
  if (table) table.open = false;
}

async function drawAll(night) {
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const spec = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    try {
      await draw(figure, spec, night);
    } catch (error) {
      figure.querySelector(".drawing").replaceChildren();
      console.error(error);
    }
  }
  document.documentElement.dataset.drawn = "yes";
  performance.mark("drawn");
}

function redraw() {
  return drawAll(dark.matches && !printed.matches);
}

dark.addEventListener("change", redraw);
redraw();
