import { MemoryError } from "../../domain/errors.ts";
import { callsUnderWay } from "../../internal/calls-under-way.ts";
import { allEntries, getEntry, getStep, pageOfEntries, putEntry, putEvent, putStep } from "./agent-history.ts";
import type { Place } from "./place.ts";
import { knownParts } from "./recorded-parts.ts";
import type {
  HistoryEntry,
  HistoryEntryInput,
  NewTimelineEvent,
  WorkflowHistoryEntry,
  WorkflowStats,
  WorkflowStepEntry,
  WorkflowTimelineEvent,
} from "./shapes.ts";
import * as workflows from "./workflow-history.ts";

/**
 * What agents and workflows did, as VoltAgent's storage keeps it: runs of `memory.runs`, with their steps and events. A run
 * is deleted with its conversation and with its user.
 */
export class HistoryStorage {
  /** @internal */
  protected readonly place: Place;
  /** What closing waits for. @internal */
  protected readonly underWay = callsUnderWay();
  readonly #known = knownParts();

  /** @internal */
  constructor(place: Place) {
    this.place = place;
  }

  /** Tells the log how long a call took, or that it failed. @internal */
  protected call<Value>(name: string, work: (place: Place) => Promise<Value>): Promise<Value> {
    return this.underWay.add(this.#logged(name, work));
  }

  async #logged<Value>(name: string, work: (place: Place) => Promise<Value>): Promise<Value> {
    const { logger } = this.place;
    const started = performance.now();
    try {
      const value = await work(this.place);
      logger?.debug?.(`[voltagent] ${name} took ${(performance.now() - started).toFixed(1)} ms`);
      return value;
    } catch (error) {
      // Only our own errors are known to hold no contents.
      logger?.debug?.(`[voltagent] ${name} failed`, {
        reason: MemoryError.isInstance(error) ? error.message : "an error of another library",
      });
      throw error;
    }
  }

  /** Writes an entry of an agent's history, in place of the one of this key. */
  addHistoryEntry(key: string, value: HistoryEntryInput, agentId: string): Promise<void> {
    return this.call("addHistoryEntry", (place) => putEntry(place, key, value, agentId, false));
  }

  /** Changes an entry; what is left out stays. One that is not there is written. */
  updateHistoryEntry(key: string, value: HistoryEntryInput, agentId: string): Promise<void> {
    return this.call("updateHistoryEntry", (place) => putEntry(place, key, value, agentId, true));
  }

  /** Writes a step of an entry, any JSON value, in place of the one of this key. The entry may come later. */
  addHistoryStep(key: string, value: unknown, historyId: string, agentId: string): Promise<void> {
    return this.call("addHistoryStep", (place) => putStep(place, this.#known, key, value, historyId, agentId));
  }

  /** The same as {@link addHistoryStep}. */
  updateHistoryStep(key: string, value: unknown, historyId: string, agentId: string): Promise<void> {
    return this.call("updateHistoryStep", (place) => putStep(place, this.#known, key, value, historyId, agentId));
  }

  /** Writes an event on the timeline of an entry, in place of the one of this key. The entry may come later. */
  addTimelineEvent(key: string, value: NewTimelineEvent, historyId: string, agentId: string): Promise<void> {
    return this.call("addTimelineEvent", (place) => putEvent(place, this.#known, key, value, historyId, agentId));
  }

  /** An entry with its steps and events, in one query; undefined when there is none. */
  getHistoryEntry(key: string): Promise<HistoryEntry | undefined> {
    return this.call("getHistoryEntry", (place) => getEntry(place, key));
  }

  /** A step as it was written; undefined when there is none. */
  getHistoryStep(key: string): Promise<unknown> {
    return this.call("getHistoryStep", (place) => getStep(place, this.#known, key));
  }

  /** All entries of an agent, newest first. */
  getAllHistoryEntriesByAgent(agentId: string): Promise<HistoryEntry[]>;
  /** One page of them, counted from 0, and how many there are: three queries, whatever the size of the page. */
  getAllHistoryEntriesByAgent(agentId: string, page: number, limit: number): Promise<{ entries: HistoryEntry[]; total: number }>;
  getAllHistoryEntriesByAgent(agentId: string, page?: number, limit?: number) {
    return this.call<HistoryEntry[] | { entries: HistoryEntry[]; total: number }>("getAllHistoryEntriesByAgent", (place) =>
      page === undefined && limit === undefined ? allEntries(place, agentId) : pageOfEntries(place, agentId, page ?? 0, limit ?? 50),
    );
  }

  /** Writes an entry of a workflow's history, in place of the one of this id, whose steps and events stay. */
  storeWorkflowHistory(entry: WorkflowHistoryEntry): Promise<void> {
    return this.call("storeWorkflowHistory", (place) => workflows.storeHistory(place, entry));
  }

  /** The entry alone; null when there is none. */
  getWorkflowHistory(id: string): Promise<WorkflowHistoryEntry | null> {
    return this.call("getWorkflowHistory", (place) => workflows.getHistory(place, id));
  }

  /** Entries of a workflow, newest first, without steps and events. */
  getWorkflowHistoryByWorkflowId(workflowId: string): Promise<WorkflowHistoryEntry[]> {
    return this.call("getWorkflowHistoryByWorkflowId", (place) => workflows.historyOf(place, workflowId));
  }

  /** Changes fields of an entry; what others change at the same time stays. @throws NotFoundError */
  updateWorkflowHistory(id: string, updates: Partial<WorkflowHistoryEntry>): Promise<void> {
    return this.call("updateWorkflowHistory", (place) => workflows.updateHistory(place, id, updates));
  }

  /** Deletes an entry with its steps and events. */
  deleteWorkflowHistory(id: string): Promise<void> {
    return this.call("deleteWorkflowHistory", (place) => workflows.deleteHistory(place, id));
  }

  /** The same as {@link deleteWorkflowHistory}. */
  deleteWorkflowHistoryWithRelated(id: string): Promise<void> {
    return this.deleteWorkflowHistory(id);
  }

  /** The entry with its steps and events, in one query; null when there is none. */
  getWorkflowHistoryWithStepsAndEvents(id: string): Promise<WorkflowHistoryEntry | null> {
    return this.call("getWorkflowHistoryWithStepsAndEvents", (place) => workflows.getWholeHistory(place, id));
  }

  /** Writes a step, in place of the one of this id. @throws NotFoundError without its history */
  storeWorkflowStep(step: WorkflowStepEntry): Promise<void> {
    return this.call("storeWorkflowStep", (place) => workflows.storeStep(place, this.#known, step));
  }

  /** By its `id`; null when there is none. */
  getWorkflowStep(id: string): Promise<WorkflowStepEntry | null> {
    return this.call("getWorkflowStep", (place) => workflows.getStep(place, this.#known, id));
  }

  /** By `stepIndex`. */
  getWorkflowSteps(workflowHistoryId: string): Promise<WorkflowStepEntry[]> {
    return this.call("getWorkflowSteps", (place) => workflows.getSteps(place, workflowHistoryId));
  }

  /** Changes fields of a step; the others stay. @throws NotFoundError */
  updateWorkflowStep(id: string, updates: Partial<WorkflowStepEntry>): Promise<void> {
    return this.call("updateWorkflowStep", (place) => workflows.updateStep(place, this.#known, id, updates));
  }

  /** Deletes a step. One that is not there is no error. */
  deleteWorkflowStep(id: string): Promise<void> {
    return this.call("deleteWorkflowStep", (place) => workflows.deleteStep(place, id));
  }

  /** Writes an event, in place of the one of this `eventId`. @throws NotFoundError without its history */
  storeWorkflowTimelineEvent(event: WorkflowTimelineEvent): Promise<void> {
    return this.call("storeWorkflowTimelineEvent", (place) => workflows.storeEvent(place, this.#known, event));
  }

  /** By its `eventId`. */
  getWorkflowTimelineEvent(id: string): Promise<WorkflowTimelineEvent | null> {
    return this.call("getWorkflowTimelineEvent", (place) => workflows.getEvent(place, this.#known, id));
  }

  /** By start. */
  getWorkflowTimelineEvents(workflowHistoryId: string): Promise<WorkflowTimelineEvent[]> {
    return this.call("getWorkflowTimelineEvents", (place) => workflows.getEvents(place, workflowHistoryId));
  }

  /** By its `eventId`. */
  deleteWorkflowTimelineEvent(id: string): Promise<void> {
    return this.call("deleteWorkflowTimelineEvent", (place) => workflows.deleteEvent(place, id));
  }

  /** Ids of all workflows with a history. */
  getAllWorkflowIds(): Promise<string[]> {
    return this.call("getAllWorkflowIds", (place) => workflows.workflowIds(place));
  }

  /** Counts and times of a workflow, in one query. */
  getWorkflowStats(workflowId: string): Promise<WorkflowStats> {
    return this.call("getWorkflowStats", (place) => workflows.workflowStats(place, workflowId));
  }

  /** Deletes all but the newest `maxEntries` of a workflow, with their steps and events; how many there were. */
  cleanupOldWorkflowHistories(workflowId: string, maxEntries: number): Promise<number> {
    return this.call("cleanupOldWorkflowHistories", (place) => workflows.cleanUp(place, workflowId, maxEntries));
  }
}
