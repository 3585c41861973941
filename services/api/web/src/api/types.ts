// The API's models, as the OpenAPI document names them; schema.d.ts is made from it by `scripts/dashboard.sh types`.

import type { components } from "./schema";

type Models = components["schemas"];

export type Side = "long" | "short";
export type Board = Models["Board"];
export type Coin = Models["Card"];
export type Gate = Models["GateShown"];
export type Figures = Models["Figures"];
export type Alignment = Models["Alignment"];
export type Levels = Models["CardLevels"];
export type MiniChart = Models["MiniChart"];
export type CoinDetail = Models["Coin"];
export type BarColumns = Models["BarColumns"];
export type PointColumns = Models["PointColumns"];
export type TradeLevels = Models["TradeLevels"];
export type JudgedScan = Models["JudgedScan"];
export type Signal = Models["Signal"];
export type SignalDetail = Models["SignalDetail"];
export type LifecyclePoint = Models["LifecyclePoint"];
export type Scan = Models["ScanShown"];
export type Alert = Models["AlertShown"];
export type Delivery = Models["Delivery"];
export type Anomalies = Models["Anomalies"];
export type Status = Models["Status"];
export type Storage = Models["StorageShown"];
export type DeadLetter = Models["DeadLetterShown"];
export type PriceAlert = Models["PriceAlertShown"];
export type Mute = Models["MuteShown"];
export type Setting = Models["SettingShown"];
export type ConfigCheck = Models["ConfigCheck"];
export type ConfigChange = Models["ConfigChange"];
export type Refreshed = Models["Refreshed"];
export type RefreshState = Models["RefreshState"];
export type Prices = Models["Prices"];
export type Cards = Models["Cards"];
export type Heartbeat = Models["Heartbeat"];
export type Session = Models["SessionShown"];
export type Config = Models["Config"];
export type TelegramSetup = Models["TelegramSetup"];
export type FoundChat = Models["FoundChat"];
export type ExportBegun = Models["ExportBegun"];
export type ExportJob = Models["ExportJob"];
