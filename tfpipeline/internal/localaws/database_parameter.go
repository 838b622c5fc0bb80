package localaws

const rdsNamespace = "http://rds.amazonaws.com/doc/2014-10-31/"

// showUserParameters says of each parameter of a group that a user has set it.
// moto lists those only, and does not say so; the provider then plans to set
// them again and again.
func showUserParameters(c *call, next func(*call) (*reply, error)) (*reply, error) {
	return repair(c, next, func(root *node) {
		for _, parameter := range root.every("Parameter") {
			if parameter.value("Source") == "" {
				parameter.set("Source", "user")
			}
		}
	})
}
