// What Grafana reads, by the types of its own schema, as it stands in JSON: a wrong name or value does not compile.
// Only types come from there, so that nothing of it runs.

import type {
  AnnotationQuery,
  DashboardLink,
  DataQuery,
  DataTransformerConfig,
  FieldColor,
  FieldConfig,
  GraphFieldConfig,
  GridPos,
  Dashboard as SchemaDashboard,
  Panel as SchemaPanel,
  RowPanel as SchemaRow,
  TableCellOptions,
  TableFieldOptions,
  ThresholdsConfig,
  ValueMapping,
  VariableModel,
} from '@grafana/schema'
import type { Options as BarGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen'
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen'
import type {
  Options as StateTimeline,
  FieldConfig as StateTimelineField,
} from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen'
import type { Options as Table } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen'
import type { Options as Text } from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen'
import type { Options as TimeSeries } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen'

/** An enum is the text of its value, and what is undefined is not written. */
type Plain<T> = T extends string
  ? `${T}`
  : T extends readonly (infer Each)[]
    ? readonly Plain<Each>[]
    : T extends object
      ? { readonly [Key in keyof T]: Plain<T[Key]> | (object extends Pick<T, Key> ? undefined : never) }
      : T

export type Place = Plain<GridPos>
export type Link = Plain<DashboardLink>
export type Mapping = Plain<ValueMapping>
export type Color = Plain<FieldColor>
export type Thresholds = Plain<ThresholdsConfig>
export type Field = Plain<FieldConfig>
export type Transformation = Plain<DataTransformerConfig>
export type Variable = Plain<VariableModel> & { readonly definition?: string }
/** What the data source for Prometheus reads besides. */
export type Annotation = Plain<AnnotationQuery> & {
  readonly expr: string
  readonly titleFormat: string
  readonly textFormat: string
  readonly tagKeys: string
  readonly useValueForTime?: boolean
}
/** Of the data source for Prometheus, whose types are in no package. */
export type Target = Plain<DataQuery> & {
  readonly expr: string
  readonly legendFormat: string
  readonly instant: boolean
  readonly range: boolean
  readonly format: 'table' | 'time_series'
}

interface OptionsByKind {
  stat: Stat
  timeseries: TimeSeries
  table: Table
  bargauge: BarGauge
  'state-timeline': StateTimeline
  text: Text
}
interface CustomByKind {
  stat: Record<string, never>
  timeseries: GraphFieldConfig
  table: TableFieldOptions
  bargauge: Record<string, never>
  'state-timeline': StateTimelineField
}

export type Kind = keyof CustomByKind
/** Grafana has a default for each. */
export type Options<K extends keyof OptionsByKind> = Partial<Plain<OptionsByKind[K]>>
export type Custom<K extends Kind> = Partial<Plain<CustomByKind[K]>>

export type Property =
  | { readonly id: 'unit' | 'noValue'; readonly value: string }
  | { readonly id: 'thresholds'; readonly value: Thresholds }
  | { readonly id: 'mappings'; readonly value: readonly Mapping[] }
  | { readonly id: 'color'; readonly value: Color }
  | { readonly id: 'custom.cellOptions'; readonly value: Plain<TableCellOptions> }

export type Panel = Plain<SchemaPanel>
export type Row = Plain<SchemaRow>
export type Dashboard = Plain<SchemaDashboard>
