// What the page has beside its own script: Vega-Embed.
declare const vegaEmbed: (
  place: Element,
  chart: object,
  options: object,
) => Promise<{ view: View }>;
