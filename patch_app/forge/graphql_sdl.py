"""The part of GitHub's GraphQL schema that the local GitHub answers.

Its job: the SDL alone, names, arguments and nullability as in GitHub's own schema (tests/contract holds
it there). It refuses to grow fields without a resolver.
"""

SDL = """
scalar GitObjectID
scalar GitTimestamp
scalar GitRefname
scalar DateTime
scalar URI
scalar BigInt

interface Node { id: ID! }

type Query {
  repository(followRenames: Boolean = true, name: String!, owner: String!): Repository
  node(id: ID!): Node
  rateLimit(dryRun: Boolean = false): RateLimit
}

type Mutation {
  minimizeComment(input: MinimizeCommentInput!): MinimizeCommentPayload
  updateRefs(input: UpdateRefsInput!): UpdateRefsPayload
  convertPullRequestToDraft(input: ConvertPullRequestToDraftInput!): ConvertPullRequestToDraftPayload
  markPullRequestReadyForReview(
    input: MarkPullRequestReadyForReviewInput!
  ): MarkPullRequestReadyForReviewPayload
}

input ConvertPullRequestToDraftInput {
  clientMutationId: String
  pullRequestId: ID!
}
type ConvertPullRequestToDraftPayload { clientMutationId: String }

input MarkPullRequestReadyForReviewInput {
  clientMutationId: String
  pullRequestId: ID!
}
type MarkPullRequestReadyForReviewPayload { clientMutationId: String }

enum ReportedContentClassifiers { ABUSE DUPLICATE OFF_TOPIC OUTDATED RESOLVED SPAM }
input MinimizeCommentInput {
  classifier: ReportedContentClassifiers!
  clientMutationId: String
  subjectId: ID!
}
interface Minimizable {
  isMinimized: Boolean!
  minimizedReason: String
}
type MinimizeCommentPayload {
  clientMutationId: String
  minimizedComment: Minimizable
}

input UpdateRefsInput {
  clientMutationId: String
  refUpdates: [RefUpdate!]!
  repositoryId: ID!
}

input RefUpdate {
  afterOid: GitObjectID!
  beforeOid: GitObjectID
  force: Boolean = false
  name: GitRefname!
}

type UpdateRefsPayload { clientMutationId: String }

type RateLimit {
  cost: Int!
  limit: Int!
  nodeCount: Int!
  remaining: Int!
  resetAt: DateTime!
  used: Int!
}

interface RepositoryOwner {
  id: ID!
  login: String!
  url: URI!
}
interface Actor {
  login: String!
  url: URI!
}
type User implements Node & RepositoryOwner & Actor {
  id: ID!
  login: String!
  url: URI!
  databaseId: Int
}
type Organization implements Node & RepositoryOwner & Actor {
  id: ID!
  login: String!
  url: URI!
  databaseId: Int
}
type Bot implements Node & Actor {
  id: ID!
  login: String!
  url: URI!
  databaseId: Int
}

type Repository implements Node {
  id: ID!
  databaseId: Int
  name: String!
  nameWithOwner: String!
  owner: RepositoryOwner!
  url: URI!
  isFork: Boolean!
  isPrivate: Boolean!
  isArchived: Boolean!
  hasIssuesEnabled: Boolean!
  parent: Repository
  defaultBranchRef: Ref
  ref(qualifiedName: String!): Ref
  refs(
    after: String
    direction: OrderDirection
    first: Int
    orderBy: RefOrder
    query: String
    refPrefix: String!
  ): RefConnection
  releases(after: String, first: Int, orderBy: ReleaseOrder): ReleaseConnection!
  release(tagName: String!): Release
  latestRelease: Release
  object(expression: String, oid: GitObjectID): GitObject
  pullRequest(number: Int!): PullRequest
  pullRequests(
    after: String
    baseRefName: String
    first: Int
    headRefName: String
    last: Int
    orderBy: IssueOrder
    states: [PullRequestState!]
  ): PullRequestConnection!
  issue(number: Int!): Issue
}

type PageInfo {
  endCursor: String
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
}

type Ref implements Node {
  id: ID!
  name: String!
  prefix: String!
  target: GitObject
}
type RefConnection {
  nodes: [Ref]
  pageInfo: PageInfo!
  totalCount: Int!
}

enum OrderDirection { ASC DESC }
enum RefOrderField { ALPHABETICAL TAG_COMMIT_DATE }
input RefOrder {
  direction: OrderDirection!
  field: RefOrderField!
}
enum ReleaseOrderField { CREATED_AT NAME }
input ReleaseOrder {
  direction: OrderDirection!
  field: ReleaseOrderField!
}
type Release implements Node {
  id: ID!
  databaseId: Int
  name: String
  tagName: String!
  tag: Ref
  tagCommit: Commit
  description: String
  isDraft: Boolean!
  isLatest: Boolean!
  isPrerelease: Boolean!
  createdAt: DateTime!
  publishedAt: DateTime
  url: URI!
}
type ReleaseConnection {
  nodes: [Release]
  pageInfo: PageInfo!
  totalCount: Int!
}

interface GitObject {
  abbreviatedOid: String!
  id: ID!
  oid: GitObjectID!
}
type Commit implements Node & GitObject {
  abbreviatedOid: String!
  id: ID!
  oid: GitObjectID!
  message: String!
  messageHeadline: String!
  committedDate: DateTime!
  author: GitActor
  committer: GitActor
  additions: Int!
  deletions: Int!
  changedFilesIfAvailable: Int
  parents(after: String, first: Int, last: Int): CommitConnection!
  tree: Tree!
  statusCheckRollup: StatusCheckRollup
  url: URI!
}
type GitActor {
  date: GitTimestamp
  email: String
  name: String
}
type Tree implements Node & GitObject {
  abbreviatedOid: String!
  id: ID!
  oid: GitObjectID!
  entries: [TreeEntry!]
}
type TreeEntry {
  mode: Int!
  name: String!
  object: GitObject
  oid: GitObjectID!
  path: String
  size: Int!
  type: String!
}
type Blob implements Node & GitObject {
  abbreviatedOid: String!
  id: ID!
  oid: GitObjectID!
  byteSize: Int!
  isBinary: Boolean
  isTruncated: Boolean!
  text: String
}
type Tag implements Node & GitObject {
  abbreviatedOid: String!
  id: ID!
  oid: GitObjectID!
  name: String!
  message: String
  target: GitObject!
}

enum PullRequestState { CLOSED MERGED OPEN }
enum PullRequestReviewState { APPROVED CHANGES_REQUESTED COMMENTED DISMISSED PENDING }
enum MergeableState { CONFLICTING MERGEABLE UNKNOWN }
type PullRequest implements Node {
  id: ID!
  databaseId: Int
  fullDatabaseId: BigInt
  number: Int!
  state: PullRequestState!
  title: String!
  body: String!
  url: URI!
  author: Actor
  closed: Boolean!
  merged: Boolean!
  mergeCommit: Commit
  mergedBy: Actor
  mergeable: MergeableState!
  isDraft: Boolean!
  headRefName: String!
  headRefOid: GitObjectID!
  baseRefName: String!
  baseRefOid: GitObjectID!
  headRepository: Repository
  isCrossRepository: Boolean!
  commits(after: String, first: Int, last: Int): PullRequestCommitConnection!
  reviews(after: String, first: Int, last: Int): PullRequestReviewConnection
  reviewThreads(after: String, first: Int, last: Int): PullRequestReviewThreadConnection!
  timelineItems(
    after: String
    first: Int
    itemTypes: [PullRequestTimelineItemsItemType!]
    last: Int
  ): PullRequestTimelineItemsConnection!
  createdAt: DateTime!
  comments(after: String, first: Int, last: Int): IssueCommentConnection!
}
type PullRequestReviewThread implements Node {
  id: ID!
  isResolved: Boolean!
  path: String!
  line: Int
}
type PullRequestReviewThreadConnection {
  nodes: [PullRequestReviewThread]
  pageInfo: PageInfo!
  totalCount: Int!
}
enum PullRequestTimelineItemsItemType {
  BASE_REF_CHANGED_EVENT
  BASE_REF_DELETED_EVENT
  BASE_REF_FORCE_PUSHED_EVENT
}
union PullRequestTimelineItems = BaseRefChangedEvent | BaseRefDeletedEvent | BaseRefForcePushedEvent
type BaseRefChangedEvent implements Node { id: ID! }
type BaseRefDeletedEvent implements Node { id: ID! }
type BaseRefForcePushedEvent implements Node { id: ID! }
type PullRequestTimelineItemsConnection {
  nodes: [PullRequestTimelineItems]
  pageInfo: PageInfo!
  totalCount: Int!
}
type PullRequestConnection {
  nodes: [PullRequest]
  pageInfo: PageInfo!
  totalCount: Int!
}
type PullRequestCommit implements Node {
  id: ID!
  commit: Commit!
}
type PullRequestCommitConnection {
  nodes: [PullRequestCommit]
  pageInfo: PageInfo!
  totalCount: Int!
}
type CommitConnection {
  nodes: [Commit]
  pageInfo: PageInfo!
  totalCount: Int!
}
enum IssueOrderField { CREATED_AT UPDATED_AT }
input IssueOrder {
  direction: OrderDirection!
  field: IssueOrderField!
}
enum IssueState { CLOSED OPEN }
type Issue implements Node {
  id: ID!
  databaseId: Int
  number: Int!
  state: IssueState!
  title: String!
  body: String!
  url: URI!
  author: Actor
  closed: Boolean!
  comments(after: String, first: Int, last: Int): IssueCommentConnection!
}
type IssueComment implements Node & Minimizable {
  id: ID!
  databaseId: Int
  author: Actor
  body: String!
  createdAt: DateTime!
  lastEditedAt: DateTime
  isMinimized: Boolean!
  minimizedReason: String
  url: URI!
}
type IssueCommentConnection {
  nodes: [IssueComment]
  pageInfo: PageInfo!
  totalCount: Int!
}
type PullRequestReview implements Node {
  id: ID!
  databaseId: Int
  state: PullRequestReviewState!
  body: String!
  author: Actor
  commit: Commit
  submittedAt: DateTime
}
type PullRequestReviewConnection {
  nodes: [PullRequestReview]
  pageInfo: PageInfo!
  totalCount: Int!
}

enum CheckStatusState { COMPLETED IN_PROGRESS PENDING QUEUED REQUESTED WAITING }
enum CheckConclusionState {
  ACTION_REQUIRED CANCELLED FAILURE NEUTRAL SKIPPED STALE STARTUP_FAILURE SUCCESS TIMED_OUT
}
enum StatusState { ERROR EXPECTED FAILURE PENDING SUCCESS }
type StatusCheckRollup implements Node {
  id: ID!
  contexts(after: String, first: Int, last: Int): StatusCheckRollupContextConnection!
}
type StatusCheckRollupContextConnection {
  nodes: [StatusCheckRollupContext]
  pageInfo: PageInfo!
  totalCount: Int!
}
union StatusCheckRollupContext = CheckRun | StatusContext
type CheckRun implements Node {
  id: ID!
  databaseId: Int
  name: String!
  status: CheckStatusState!
  conclusion: CheckConclusionState
  externalId: String
  url: URI!
  checkSuite: CheckSuite!
}
type StatusContext implements Node {
  id: ID!
  context: String!
  state: StatusState!
  targetUrl: URI
  creator: Actor
}
type CheckSuite implements Node {
  id: ID!
  databaseId: Int
  app: App
  workflowRun: WorkflowRun
}
type App implements Node {
  id: ID!
  databaseId: Int
  slug: String!
}
type WorkflowRun implements Node {
  id: ID!
  databaseId: Int
  event: String!
  file: WorkflowRunFile
}
type WorkflowRunFile implements Node {
  id: ID!
  path: String!
}
"""
