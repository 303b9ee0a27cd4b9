// A dashboard in a browser: `draw` lays its panels out as Grafana does and draws with
// `@grafana/ui` what that can draw. The kinds that live in Grafana alone are named in their place.

import {
  FieldMatcherID,
  FieldType,
  dateTime,
  fieldMatchers,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
} from '@grafana/data';
import {
  BigValue,
  GlobalStyles,
  PanelChrome,
  ThemeContext,
  TimeSeries,
  VizRepeater,
  preparePlotFrame,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { createRoot } from 'react-dom/client';

import { asIs, prepared, themes } from './panels.mjs';

// public/app/core/constants.ts: the grid of 24 columns, its rows and gaps in pixels.
const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const PADDING = 16;
// Below it panels stand one below another, each as wide as the screen.
const NARROW = 769;

function Stat({ panel, data, fieldConfig, theme, width, height, timeZone }) {
  const values = () =>
    getFieldDisplayValues({
      fieldConfig,
      reduceOptions: panel.options.reduceOptions,
      replaceVariables: asIs,
      theme,
      data,
      sparkline: panel.options.graphMode !== 'none',
      percentChange: panel.options.showPercentChange,
      timeZone,
    });
  return (
    <VizRepeater
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, alignmentFactors, width, height, count }) => (
        <BigValue
          value={value.display}
          count={count}
          colorMode={panel.options.colorMode}
          graphMode={panel.options.graphMode}
          justifyMode={panel.options.justifyMode ?? 'auto'}
          textMode={panel.options.textMode}
          text={panel.options.text}
          alignmentFactors={alignmentFactors}
          width={width}
          height={height}
          theme={theme}
        />
      )}
      width={width}
      height={height}
      source={data}
      itemSpacing={3}
      renderCounter={0}
      autoGrid
      orientation={panel.options.orientation}
    />
  );
}

// What public/app/plugins/panel/timeseries/utils.ts leaves of the fields: numbers, x first.
function graphable(frames, x) {
  return frames
    .map((frame) => {
      const at = x ? frame.fields.findIndex((field) => field.name === x || field.state?.displayName === x) : -1;
      const ordered = at > 0 ? [frame.fields[at], ...frame.fields.filter((_, i) => i !== at)] : frame.fields;
      return { ...frame, fields: ordered.filter(({ type }) => [FieldType.time, FieldType.number].includes(type)) };
    })
    .filter((frame) => frame.fields.length > 1 && frame.length > 0);
}

function Graph({ panel, data, width, height, timeRange, timeZone }) {
  const x = panel.type === 'trend' ? panel.options.xField : undefined;
  const frames = graphable(data, x);
  if (!frames.length) {
    return <NoData panel={panel} />;
  }
  const more = x
    ? {
        preparePlotFrame: (given, dimensions) =>
          preparePlotFrame(given, { ...dimensions, x: fieldMatchers.get(FieldMatcherID.byName).get(frames[0].fields[0].name) }),
      }
    : {};
  return (
    <TimeSeries
      frames={frames}
      timeRange={timeRange}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
      {...more}
    />
  );
}

function NoData({ panel }) {
  return <div className="empty">{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
}

function Table({ panel, data, fieldConfig, width, height }) {
  return (
    <TableNG
      data={data[0]}
      width={width}
      height={height}
      noHeader={panel.options.showHeader === false}
      cellHeight={panel.options.cellHeight}
      fieldConfig={fieldConfig}
      noValue={fieldConfig.defaults.noValue}
      sortBy={panel.options.sortBy}
      showTypeIcons={false}
    />
  );
}

const KINDS = { stat: Stat, timeseries: Graph, trend: Graph, table: Table };

function Drawn(props) {
  const { panel, data, height } = props;
  const Kind = KINDS[panel.type];
  if (!Kind) {
    const rows = data.map((frame) => `${frame.length} × ${frame.fields.length}`).join(', ');
    return (
      <div className="elsewhere" style={{ height }}>
        {`${panel.type}: Grafana alone (${rows})`}
      </div>
    );
  }
  return <Kind {...props} />;
}

function place({ x, y, w, h }, width, narrow, above) {
  const column = (width - 2 * PADDING + GAP) / COLUMNS;
  return narrow
    ? { left: PADDING, top: above, width: width - 2 * PADDING, height: h * (ROW + GAP) - GAP }
    : { left: PADDING + x * column, top: y * (ROW + GAP), width: w * column - GAP, height: h * (ROW + GAP) - GAP };
}

// Draw a dashboard whose queries answered with `frames`, by the ids of its panels, and say how
// high it is.
window.draw = async ({ dashboard, frames, errors, theme: mode, from, to, width }) => {
  const theme = themes[mode];
  const timeZone = dashboard.timezone;
  const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
  const narrow = width < NARROW;
  let above = 0;
  const drawn = [];
  for (const panel of dashboard.panels) {
    const at = place(panel.gridPos, width, narrow, above);
    above += at.height + GAP;
    if (panel.type === 'row') {
      drawn.push(
        <h3 key={`row ${panel.title}`} className="row" style={at}>
          {panel.title}
        </h3>
      );
      continue;
    }
    const error = errors[panel.id];
    const ready = error ? null : await prepared(panel, frames[panel.id], theme, timeZone);
    drawn.push(
      <div key={panel.id} id={`panel-${panel.id}`} style={{ position: 'absolute', ...at }}>
        <PanelChrome title={panel.title} width={at.width} height={at.height} padding={panel.type === 'table' ? 'none' : 'md'} statusMessage={error}>
          {(inner, high) =>
            error ? (
              <div className="empty">{error}</div>
            ) : (
              <Drawn {...{ panel, theme, timeZone, timeRange, ...ready, width: inner, height: high }} />
            )
          }
        </PanelChrome>
      </div>
    );
  }
  const height = Math.max(...dashboard.panels.map((panel) => (panel.gridPos.y + panel.gridPos.h) * (ROW + GAP)));
  document.body.innerHTML = '<div id="root"></div>';
  document.body.style.background = theme.colors.background.canvas;
  document.body.style.margin = 0;
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <style>{`
        #root { position: relative; height: ${narrow ? above : height}px; width: ${width}px; font-family: sans-serif; }
        .row { position: absolute; margin: 0; font-size: 16px; line-height: 30px; color: ${theme.colors.text.primary}; }
        .empty, .elsewhere { display: grid; place-items: center; height: 100%; color: ${theme.colors.text.secondary}; text-align: center; }
        .elsewhere { border: 1px dashed ${theme.colors.border.medium}; }
      `}</style>
      {drawn}
    </ThemeContext.Provider>
  );
  return narrow ? above : height;
};
