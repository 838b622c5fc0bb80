// Asks @cloud-copilot/iam-simulate the questions in a file, and prints its
// answers in the same order: "Allowed", a kind of denial, or an error. It is
// run by TestSimulator and linked to nothing.
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const { roles, asked } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const answers = []
for (const { role, action, resource, keys } of asked) {
  const { policies, boundary } = roles[role]
  const result = await runSimulation({
    request: {
      principal: `arn:aws:iam::123456789012:role/${role}`,
      action,
      resource: { resource, accountId: '123456789012' },
      contextVariables: keys,
    },
    identityPolicies: Object.entries(policies).map(([name, policy]) => ({ name, policy })),
    permissionBoundaryPolicies: boundary ? [{ name: 'boundary', policy: boundary }] : undefined,
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  }, {})
  answers.push(result.resultType === 'error' ? `error: ${JSON.stringify(result.errors)}` : result.overallResult)
}
console.log(JSON.stringify(answers))
