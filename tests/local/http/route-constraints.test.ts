import { expect, test } from 'vitest'
import { compileConstraint } from '../../../local/http/route-constraints.ts'

// What the constraints of ASP.NET Core accept and refuse (Microsoft.AspNetCore.Routing.Constraints).
const CASES: [name: string, argument: string | undefined, accepted: string[], refused: string[]][] = [
  [
    'int',
    undefined,
    ['0', '-5', '+5', '0042', ' 7', '2147483647', '-2147483648'],
    ['', '1.5', '2147483648', '1e3', 'x'],
  ],
  ['long', undefined, ['9223372036854775807', '-9223372036854775808'], ['9223372036854775808', '']],
  ['bool', undefined, ['true', 'FALSE', ' true '], ['1', 'yes', '']],
  ['guid', undefined, ['6f9619ff-8b86-d011-b42d-00c04fc964ff', '6F9619FF8B86D011B42D00C04FC964FF'], ['6f9619ff', '']],
  ['alpha', undefined, ['abc', 'XYZ', ''], ['a1', 'a-b', 'ä']],
  ['decimal', undefined, ['1', '-1.5', '1,000.5', '.5'], ['1e5', 'NaN', '']],
  ['double', undefined, ['1', '-1.5e10', 'NaN'], ['1.5.5', 'x', '']],
  ['float', undefined, ['1', '2.5'], ['x']],
  ['datetime', undefined, ['2026-11-22', '2026-11-22T10:00:00Z'], ['tomorrow', '2026-13-45']],
  ['minlength', '3', ['abc', 'abcd'], ['ab', '']],
  ['maxlength', '3', ['', 'abc'], ['abcd']],
  ['length', '3', ['abc'], ['ab', 'abcd']],
  ['length', '2,3', ['ab', 'abc'], ['a', 'abcd']],
  ['min', '18', ['18', '9223372036854775807'], ['17', '-1', 'x', '9223372036854775808']],
  ['max', '18', ['18', '-1'], ['19', '1.5']],
  ['range', '1,10', ['1', '10'], ['0', '11', 'x']],
  ['regex', '^a+$', ['a', 'AAA'], ['b', 'ab']],
  ['regex', 'b', ['abc'], ['ac']],
  ['required', undefined, ['x'], ['']],
]

test.each(CASES)('%s(%s) accepts %j and refuses %j', (name, argument, accepted, refused) => {
  const { accepts } = compileConstraint(name, argument)
  expect(accepted.filter((value) => !accepts(value))).toEqual([])
  expect(refused.filter(accepts)).toEqual([])
})

test.each([
  ['nosuch', undefined],
  ['int', '5'],
  ['minlength', undefined],
  ['minlength', 'x'],
  ['range', '5'],
  ['regex', '('],
])('%s(%s) is refused when the route is compiled', (name, argument) => {
  expect(() => compileConstraint(name, argument)).toThrow(/route constraint/)
})
